"""cases.py -- placeholder"""
def run(server):
    return 0, 0
