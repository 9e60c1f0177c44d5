// sim_io.cc -- see sim_io.h.

#include "sim_io.h"

#include <cerrno>
#include <cstring>

namespace zk::sim {

namespace {

constexpr int64_t wall_base_ms = 1'750'000'000'000;
constexpr size_t child_piece = 4096;

std::string directory_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

DiskOp make_op(DiskOpKind kind, const std::string& path) {
    return {.kind = kind, .path = path, .to = {}, .offset = 0, .size = 0, .data = {}};
}

}  // namespace

SimIo::SimIo(World world, Chance chance)
    : world_(std::move(world)), chance_(chance), started_us_(world_.queue.now_us()) {
    node_ = std::make_unique<Node>(*this, world_.config);
}

SimIo::~SimIo() { *alive_ = false; }

Result<void> SimIo::start(uint64_t die_after) {
    die_after_ = die_after;
    world_.story.node(world_.node);
    Result<void> started = node_->start();
    die_after_ = 0;
    if (started && !dead_) {
        world_.network.listen(world_.node, this);
        wake(world_.queue.now_us() + 1);
    }
    return started;
}

void SimIo::kill(bool silently) {
    for (auto& lane : lanes_) {
        if (lane.empty() || lane.front().at >= lane.front().ops.size()) continue;
        if (chance_.percent(60)) world_.disk.run_torn(lane.front().ops[lane.front().at]);
    }
    if (child_ && child_->at < child_->ops.size() && chance_.percent(60))
        world_.disk.run_torn(child_->ops[child_->at]);
    *alive_ = false;
    world_.network.process_gone(this, silently);
}

void SimIo::later(uint64_t delay_us, void (SimIo::*what)()) {
    world_.queue.after(delay_us, [this, what, alive = alive_] {
        if (*alive) (this->*what)();
    });
}

void SimIo::wake(uint64_t at_us) {
    at_us = std::max({at_us, stalled_until_us_, world_.queue.now_us()});
    if (armed_ && wake_us_ <= at_us) return;
    armed_ = true;
    wake_us_ = at_us;
    world_.queue.at(at_us, [this, at_us, alive = alive_] {
        if (!*alive || !armed_ || wake_us_ != at_us) return;
        armed_ = false;
        if (world_.queue.now_us() < stalled_until_us_) return wake(stalled_until_us_);
        poll();
    });
}

void SimIo::accept(Link& link) {
    accepts_.push_back(&link);
    wake(world_.queue.now_us() + 1);
}

ClientId SimIo::take_number() {
    if (free_.empty()) {
        free_.push_back(static_cast<ClientId>(links_.size()));
        links_.push_back({});
    }
    ClientId id = free_.back();
    free_.pop_back();
    return id;
}

void SimIo::poll_accepts() {
    while (!accepts_.empty()) {
        Link& link = *accepts_.front();
        accepts_.pop_front();
        ClientId id = take_number();
        link.attach = node_->standing().next_attach;
        bool taken = link.peer ? node_->on_peer(id, link.from) : node_->on_open(id, link.from);
        if (!taken) {
            TELL(world_.story, "link %u refused", link.number);
            free_.push_back(id);
            world_.network.refuse(link);
            continue;
        }
        link.ends[1].id = id;
        link.ends[1].told = true;
        links_[id] = {.link = &link, .at = 1};
        if (!link.peer && world_.network.on_accepted) world_.network.on_accepted(link);
        TELL(world_.story, "link %u accepted as %s %u, attach %llx", link.number,
             link.peer ? "peer" : "client", id, static_cast<unsigned long long>(link.attach));
    }
}

void SimIo::poll_link(ClientId id) {
    Side side = links_[id];
    End& end = side.link->ends[side.at];
    if (end.ended) return;
    if (end.stands && !end.told && !end.reset) {
        end.told = true;
        TELL(world_.story, "link %u stands", side.link->number);
        node_->on_dialed(id);
    }
    if (end.drained) {
        end.drained = false;
        if (end.outbox.empty()) node_->on_drained(id);
    }
    if (end.reset) {
        // Not noticed while nothing is read, but when something is written.
        if (end.paused && chance_.percent(50)) return wake(world_.queue.now_us() + 1000);
        end.ended = true;
        return node_->on_end(id, true);
    }
    if (!end.paused && end.told) poll_bytes(id, end);
}

void SimIo::poll_bytes(ClientId id, End& end) {
    if (!end.inbox.empty()) {
        size_t size = end.inbox.size();
        if (chance_.percent(10)) size = 1 + chance_.below(size);
        arena_.push_back(end.inbox.substr(0, size));
        end.inbox.erase(0, size);
        node_->on_bytes(id, as_bytes(arena_.back()));
        if (!end.inbox.empty()) wake(world_.queue.now_us() + 1);
    }
    if (end.fin && end.inbox.empty()) {
        end.ended = true;
        node_->on_end(id, false);
    }
}

void SimIo::poll() {
    world_.story.node(world_.node);
    world_.story.at(world_.queue.now_us());
    world_.story.mix(world_.queue.now_us());
    poll_accepts();
    std::vector<ClientId> order;
    for (ClientId id = 0; id < links_.size(); ++id)
        if (links_[id].link != nullptr) order.push_back(id);
    chance_.shuffle(order);
    bool disk_first = chance_.percent(50);
    if (!disk_first)
        for (ClientId id : order) poll_link(id);
    while (!done_.empty()) {
        node_->on_disk(done_.front().lane, done_.front().ticket, done_.front().result);
        done_.pop_front();
    }
    if (child_end_) {
        Result<void> result = *child_end_;
        child_end_.reset();
        node_->on_snapshot(result);
    }
    if (disk_first)
        for (ClientId id : order) poll_link(id);
    bool more = false;
    if (node_->fatal() == nullptr) more = node_->turn();
    arena_.clear();
    free_.insert(free_.end(), freed_.begin(), freed_.end());
    freed_.clear();
    world_.turned();
    if (const Error* fatal = node_->fatal()) return world_.ended(fatal->text);
    if (node_->stopped()) return world_.ended("");
    planned_wake(more);
}

void SimIo::planned_wake(bool more) {
    if (more) return wake(world_.queue.now_us() + 5);
    uint64_t at_us = std::max<uint64_t>(node_->next_turn_us(), 1'000'000) - 1'000'000;
    wake(started_us_ + world_.clock.true_us(at_us));
}

int64_t SimIo::wall_ms() {
    return wall_base_ms + world_.clock.wall_offset_ms +
           static_cast<int64_t>(world_.queue.now_us() / 1000);
}

void SimIo::random(std::span<uint8_t> out) {
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(chance_.next() >> 24);
}

uint64_t SimIo::op_us(const DiskOp& op) {
    bool syncs = op.kind == DiskOpKind::sync || op.kind == DiskOpKind::sync_dir;
    if (!syncs) return 2 + chance_.skewed(0, world_.plan.write_us_max);
    if (chance_.permille(world_.plan.slow_sync_permille)) return chance_.between(0, 2'000'000);
    return 10 + chance_.skewed(0, world_.plan.sync_us_max);
}

void SimIo::submit(Lane lane, uint64_t ticket, std::vector<DiskOp> ops) {
    auto& jobs = lanes_[static_cast<size_t>(lane)];
    jobs.push_back({.ticket = ticket,
                    .ops = std::move(ops),
                    .at = 0,
                    .started_us = world_.queue.now_us()});
    if (jobs.size() == 1) plan_lane(lane);
}

void SimIo::plan_lane(Lane lane) {
    Job& job = lanes_[static_cast<size_t>(lane)].front();
    uint64_t delay = job.ops.empty() ? 1 : op_us(job.ops[job.at]);
    if (lane == Lane::log && world_.log_op) world_.log_op(delay);
    world_.queue.after(delay, [this, lane, alive = alive_] {
        if (*alive) step_lane(lane);
    });
}

void SimIo::step_lane(Lane lane) {
    auto& jobs = lanes_[static_cast<size_t>(lane)];
    Job& job = jobs.front();
    world_.story.node(world_.node);
    world_.story.at(world_.queue.now_us());
    DiskResult result;
    if (job.at < job.ops.size()) {
        result.failed_op = static_cast<uint32_t>(job.at);
        const DiskOp& op = job.ops[job.at++];
        result.error = world_.disk.run(op);
        if (op.kind == DiskOpKind::read) read_op(op, job.bytes);
        if (result.error != 0)
            TELL(world_.story, "disk: op %d of %s: %s", static_cast<int>(op.kind),
                 op.path.c_str(), strerror(result.error));
    }
    if (result.error == 0 && job.at < job.ops.size()) return plan_lane(lane);
    result.took_us = world_.queue.now_us() - job.started_us;
    result.bytes = std::move(job.bytes);
    done_.push_back({.lane = lane, .ticket = job.ticket, .result = result});
    jobs.pop_front();
    wake(world_.queue.now_us() + 1);
    if (!jobs.empty()) plan_lane(lane);
}

void SimIo::read_op(const DiskOp& op, std::vector<uint8_t>& bytes) {
    size_t before = bytes.size();
    bytes.resize(before + op.size);
    Result<size_t> got = read_at(op.path, op.offset, {bytes.data() + before, op.size});
    bytes.resize(before + (got ? *got : 0));
}

// A start that is cut short does nothing more to the disk.
DiskResult SimIo::run(std::span<const DiskOp> ops) {
    DiskResult result;
    for (uint32_t i = 0; i < ops.size(); ++i) {
        result.failed_op = i;
        if (die_after_ > 0 && --die_after_ == 0) {
            dead_ = true;
            world_.disk.run_torn(ops[i]);
        }
        result.error = dead_ ? EIO : world_.disk.run(ops[i]);
        if (result.error != 0) return result;
    }
    return result;
}

Result<std::vector<std::string>> SimIo::list(const std::string& directory) {
    return world_.disk.list(directory);
}

Result<uint64_t> SimIo::file_size(const std::string& path) {
    const std::vector<uint8_t>* file = world_.disk.read(path);
    if (file == nullptr) return Error{.text = path + ": " + strerror(ENOENT), .code = ENOENT};
    return static_cast<uint64_t>(file->size());
}

Result<size_t> SimIo::read_at(const std::string& path, uint64_t offset, std::span<uint8_t> out) {
    const std::vector<uint8_t>* file = world_.disk.read(path);
    if (file == nullptr) return Error{.text = path + ": " + strerror(ENOENT), .code = ENOENT};
    if (offset >= file->size()) return size_t{0};
    size_t size = std::min<size_t>(out.size(), file->size() - offset);
    memcpy(out.data(), file->data() + offset, size);
    return size;
}

Result<Bytes> SimIo::read_part(const FilePart& part, const FilePart&) {
    part_ = std::vector<uint8_t>(part.size);
    Result<size_t> got = read_at(part.path, part.offset, part_);
    if (!got) return got.error();
    return Bytes(part_).first(*got);
}

// The child sees the state as it is now; its file comes about piece by piece.
Result<void> SimIo::fork_snapshot(const std::string& path, WriteSnapshot write, const void* job) {
    ASSERT(child_ == nullptr);
    if (chance_.permille(world_.plan.bulk_errors_permille))
        return Error{.text = "fork: no memory", .code = ENOMEM};
    std::string temporary = path + ".tmp";
    DiskOp create = make_op(DiskOpKind::create, temporary);
    if (int error = world_.disk.run(create); error != 0)
        return Error{.text = temporary + ": " + strerror(error), .code = error};
    child_ = std::make_unique<Child>();
    auto take = [](void* context, Bytes bytes) {
        static_cast<std::string*>(context)->append(as_text(bytes));
        return true;
    };
    bool good = write(job, {.context = &child_->bytes, .write = take});
    ASSERT(good);
    Bytes all = as_bytes(child_->bytes);
    for (size_t at = 0; at < all.size(); at += child_piece) {
        DiskOp op = make_op(DiskOpKind::write, temporary);
        op.offset = at;
        op.data = all.subspan(at, std::min(child_piece, all.size() - at));
        child_->ops.push_back(op);
    }
    child_->ops.push_back(make_op(DiskOpKind::sync, temporary));
    DiskOp rename = make_op(DiskOpKind::rename, temporary);
    rename.to = path;
    child_->ops.push_back(rename);
    child_->ops.push_back(make_op(DiskOpKind::sync_dir, directory_of(path)));
    plan_child();
    return {};
}

void SimIo::plan_child() { later(op_us(child_->ops[child_->at]), &SimIo::step_child); }

void SimIo::step_child() {
    world_.story.node(world_.node);
    world_.story.at(world_.queue.now_us());
    const DiskOp op = child_->ops[child_->at++];
    if (int error = world_.disk.run(op); error != 0) {
        // The parent unlinks what the child left.
        world_.disk.run(make_op(DiskOpKind::remove, child_->ops[0].path));
        return end_child(Error{.text = op.path + ": " + strerror(error), .code = error});
    }
    if (child_->at < child_->ops.size()) return plan_child();
    end_child({});
}

void SimIo::end_child(Result<void> result) {
    TELL(world_.story, "snapshot: %s", result ? "written" : result.error().text.c_str());
    child_.reset();
    child_end_ = std::move(result);
    wake(world_.queue.now_us() + 1);
}

SimIo::Side& SimIo::side_of(ClientId id) {
    ASSERT(id < links_.size());
    ASSERT(links_[id].link != nullptr);
    return links_[id];
}

size_t SimIo::send(ClientId client, Buffer& bytes) {
    Side side = side_of(client);
    if (!side.link->ends[side.at].told)
        world_.story.fail("link %u is sent to before it stands", side.link->number);
    size_t left = world_.network.send(*side.link, side.at, bytes.bytes());
    bytes.clear();
    return left;
}

void SimIo::close(ClientId client) {
    Side& side = side_of(client);
    TELL(world_.story, "link %u closed by the server", side.link->number);
    world_.network.close(*side.link, side.at);
    side.link = nullptr;
    freed_.push_back(client);
}

void SimIo::pause(ClientId client, bool paused) {
    Side side = side_of(client);
    side.link->ends[side.at].paused = paused;
    if (!paused) wake(world_.queue.now_us() + 1);
}

LinkId SimIo::dial(const std::string& host, uint16_t port) {
    LinkId id = take_number();
    Link& link = world_.network.dial(this, world_.node, id, port);
    links_[id] = {.link = &link, .at = 0};
    TELL(world_.story, "dials %s by link %u", host.c_str(), link.number);
    uint64_t takes_us = chance_.permille(world_.plan.slow_names_permille)
                            ? chance_.between(100'000, 8'000'000)
                            : 20 + chance_.skewed(0, 5'000);
    bool fails = chance_.permille(world_.plan.lost_names_permille);
    world_.queue.after(takes_us, [this, &link, host, fails, alive = alive_] {
        if (*alive) world_.network.dialed(link, fails ? 0 : world_.network.look_up(host));
    });
    return id;
}

}  // namespace zk::sim
