"""Checks that what was seen of one znode can have happened one at a time, each between its invocation
and its return: Wing and Gong's search, with Lowe's memory of what was tried.

A znode is None (absent) or (value, version). An operation is a tuple

    (began, ended, kind, argument, result)

with `ended` None where nobody knows what became of it: it may have happened at any time after it
began, or never. Kinds, arguments and results:

    create  value             ok | exists
    set     (value, version)  new version | none | bad       version -1: any
    delete  version           ok | none | bad
    read    -                 (value, version) | none        only reads behind a sync

Histories are short (a znode lives for seconds), and sets tell their version, so the search is quick.
"""

NONE, EXISTS, BAD, OK = "none", "exists", "bad", "ok"
STEPS_MAX = 2_000_000


def apply(state, kind, argument):
    """What the operation gives in this state, and the state behind it."""
    if kind == "read":
        return (NONE if state is None else state), state
    if kind == "create":
        return (OK, (argument, 0)) if state is None else (EXISTS, state)
    if state is None:
        return NONE, None
    if kind == "delete":
        return (OK, None) if argument in (-1, state[1]) else (BAD, state)
    value, version = argument
    if version not in (-1, state[1]):
        return BAD, state
    return state[1] + 1, (value, state[1] + 1)


class TooLong(Exception):
    pass


def check(history):
    """None, or the operations at which every order fails (the longest prefix that was reached)."""
    operations = sorted(history, key=lambda op: op[0])
    # What was read or lost without effect constrains nothing.
    operations = [op for op in operations if op[1] is not None or op[2] != "read"]
    count = len(operations)
    needed = 0
    for index, op in enumerate(operations):
        if op[1] is not None:
            needed |= 1 << index
    seen = set()
    stack = [(0, None)]
    best, best_bits, steps = -1, 0, 0
    while stack:
        done, state = stack.pop()
        if done & needed == needed:
            return None
        if (done, state) in seen:
            continue
        seen.add((done, state))
        steps += 1
        if steps > STEPS_MAX:
            raise TooLong(f"{count} operations, more than {STEPS_MAX} steps")
        reached = bin(done & needed).count("1")
        if reached > best:
            best, best_bits = reached, done
        stack.extend(successors(operations, done, state))
    rest = [op for index, op in enumerate(operations) if not best_bits >> index & 1]
    return rest[:12]


def successors(operations, done, state):
    # Whoever returned first among those not done bounds who may come next.
    horizon = min((op[1] for index, op in enumerate(operations)
                   if not done >> index & 1 and op[1] is not None), default=float("inf"))
    known, unknown = [], []
    for index, op in enumerate(operations):
        if op[0] > horizon:
            break
        if done >> index & 1:
            continue
        result, after = apply(state, op[2], op[3])
        if op[1] is None:
            if after != state:  # without effect it may as well never have happened
                unknown.append((done | 1 << index, after))
        elif result == op[4]:
            known.append((done | 1 << index, after))
    known.reverse()
    return unknown + known  # a stack: the known ones are tried first


def self_test():
    ok = [(0, 1, "create", "a", OK), (2, 5, "set", ("b", -1), 1), (3, 4, "read", None, ("a", 0)),
          (6, 7, "read", None, ("b", 1))]
    assert check(ok) is None
    stale = ok + [(8, 9, "read", None, ("a", 0))]
    assert check(stale) is not None
    lost = [(0, 1, "create", "a", OK), (2, None, "set", ("b", -1), None),
            (3, 4, "read", None, ("a", 0)), (5, 6, "read", None, ("b", 1))]
    assert check(lost) is None
    assert check(lost + [(7, 8, "read", None, ("a", 0))]) is not None
    twice = [(0, 1, "create", "a", OK), (2, 9, "set", ("b", 0), 1), (3, 8, "set", ("c", 0), 1)]
    assert check(twice) is not None
    gone = [(0, 1, "create", "a", OK), (2, 3, "delete", -1, OK), (4, 5, "create", "b", OK),
            (6, 7, "delete", 0, OK), (8, 9, "read", None, NONE)]
    assert check(gone) is None


if __name__ == "__main__":
    self_test()
    print("1 passed, 0 failed")
