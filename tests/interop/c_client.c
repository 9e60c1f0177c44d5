/* c_client.c -- Apache's C client (libzookeeper-mt) against a running server.
 *
 *     cc -DTHREADED -o c_client c_client.c -lzookeeper_mt -lpthread && ./c_client host:port
 *
 * Each check counts; the last line is `N passed, N failed`.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

static int passed, failed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int connected, events, async_left;
static char last_event[256];

static void check(int good, const char *what) {
    if (good) {
        ++passed;
    } else {
        ++failed;
        printf("c_client: %s\n", what);
    }
}

static void on_event(zhandle_t *zh, int type, int state, const char *path, void *context) {
    (void)zh;
    (void)context;
    pthread_mutex_lock(&lock);
    if (type == ZOO_SESSION_EVENT) {
        connected = state == ZOO_CONNECTED_STATE;
    } else {
        ++events;
        snprintf(last_event, sizeof last_event, "%d %s", type, path);
    }
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* Waits until *value is `wanted`, ten seconds at most. */
static int wait_for(int *value, int wanted) {
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 10;
    pthread_mutex_lock(&lock);
    int late = 0;
    while (*value != wanted && !late) late = pthread_cond_timedwait(&changed, &lock, &end);
    pthread_mutex_unlock(&lock);
    return !late;
}

static void on_data(int rc, const char *value, int size, const struct Stat *stat,
                    const void *context) {
    (void)context;
    pthread_mutex_lock(&lock);
    if (rc == ZOK && size == 1 && value[0] == 'v' && stat->dataLength == 1) --async_left;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void test_data(zhandle_t *zh) {
    char path[128], buffer[64];
    struct Stat stat;
    int size = sizeof buffer;
    check(zoo_create(zh, "/c", "one", 3, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path) == ZOK,
          "create");
    check(zoo_get(zh, "/c", 0, buffer, &size, &stat) == ZOK && size == 3 &&
              memcmp(buffer, "one", 3) == 0,
          "get");
    check(zoo_set(zh, "/c", "two", 3, 5) == ZBADVERSION, "a wrong version is refused");
    check(zoo_set2(zh, "/c", "two", 3, 0, &stat) == ZOK && stat.version == 1, "set");
    check(zoo_create(zh, "/c", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path) == ZNODEEXISTS,
          "a second create is refused");
    check(zoo_create(zh, "/c/null", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path) == ZOK,
          "create with null data");
    size = sizeof buffer;
    check(zoo_get(zh, "/c/null", 0, buffer, &size, &stat) == ZOK && size == -1,
          "null data stays null");
    check(zoo_create(zh, "/c/empty", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path) == ZOK,
          "create with empty data");
    size = sizeof buffer;
    check(zoo_get(zh, "/c/empty", 0, buffer, &size, &stat) == ZOK && size == 0,
          "empty data stays empty");
    check(zoo_create(zh, "/c/s", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_SEQUENCE | ZOO_EPHEMERAL, path,
                     sizeof path) == ZOK &&
              strcmp(path, "/c/s0000000002") == 0,
          "a sequential ephemeral");
    struct String_vector names;
    check(zoo_get_children2(zh, "/c", 0, &names, &stat) == ZOK && names.count == 3 &&
              stat.numChildren == 3,
          "children");
    deallocate_String_vector(&names);
    check(zoo_delete(zh, "/c", -1) == ZNOTEMPTY, "a znode with children is not deleted");
}

static void test_watches(zhandle_t *zh) {
    struct Stat stat;
    events = 0;
    check(zoo_wexists(zh, "/w", on_event, NULL, &stat) == ZNONODE, "exists of what is not there");
    zoo_create(zh, "/w", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
    check(wait_for(&events, 1) && strcmp(last_event, "1 /w") == 0, "the event of a create");
    zoo_wexists(zh, "/w", on_event, NULL, &stat);
    zoo_set(zh, "/w", "x", 1, -1);
    check(wait_for(&events, 2) && strcmp(last_event, "3 /w") == 0, "the event of a set");
    struct String_vector names;
    zoo_wget_children(zh, "/w", on_event, NULL, &names);
    deallocate_String_vector(&names);
    zoo_create(zh, "/w/c", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
    check(wait_for(&events, 3) && strcmp(last_event, "4 /w") == 0, "the event of a child");
}

static void test_multi(zhandle_t *zh) {
    zoo_op_t ops[4];
    zoo_op_result_t results[4];
    char path[64];
    struct Stat stat;
    zoo_create_op_init(&ops[0], "/m", "1", 1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path);
    zoo_set_op_init(&ops[1], "/m", "2", 1, 0, &stat);
    zoo_check_op_init(&ops[2], "/m", 1);
    zoo_delete_op_init(&ops[3], "/m", 1);
    check(zoo_multi(zh, 4, ops, results) == ZOK && strcmp(path, "/m") == 0 && stat.version == 1,
          "a multi that succeeds");
    zoo_create_op_init(&ops[0], "/m", "1", 1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path);
    zoo_delete_op_init(&ops[1], "/none", -1);
    zoo_check_op_init(&ops[2], "/m", 0);
    check(zoo_multi(zh, 3, ops, results) == ZNONODE && results[0].err == ZOK &&
              results[1].err == ZNONODE && results[2].err == ZRUNTIMEINCONSISTENCY,
          "a multi that fails");
    check(zoo_exists(zh, "/m", 0, &stat) == ZNONODE, "a multi that failed left nothing");
}

static void test_acl(zhandle_t *zh) {
    check(zoo_add_auth(zh, "digest", "eve:pw", 6, NULL, NULL) == ZOK, "addauth");
    check(zoo_create(zh, "/acl", "", 0, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0) == ZOK,
          "create with the creator's ACL");
    struct ACL_vector acl;
    struct Stat stat;
    check(zoo_get_acl(zh, "/acl", &acl, &stat) == ZOK && acl.count == 1 &&
              strcmp(acl.data[0].id.scheme, "digest") == 0,
          "the ACL is the creator's");
    deallocate_ACL_vector(&acl);
}

static void test_async(zhandle_t *zh) {
    zoo_create(zh, "/async", "v", 1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
    async_left = 1000;
    for (int i = 0; i < 1000; ++i) zoo_aget(zh, "/async", 0, on_data, NULL);
    check(wait_for(&async_left, 0), "a thousand requests at once");
}

static void test_kinds(zhandle_t *zh) {
    char path[64];
    struct Stat stat;
    check(zoo_create2(zh, "/k", "12", 2, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT, path, sizeof path,
                      &stat) == ZOK &&
              stat.dataLength == 2,
          "create2");
    check(zoo_create(zh, "/k/c", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_CONTAINER, path, sizeof path) ==
                  ZOK &&
              zoo_exists(zh, "/k/c", 0, &stat) == ZOK && stat.ephemeralOwner == 0,
          "a container");
    check(zoo_create(zh, "/k/e", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, path, sizeof path) ==
                  ZOK &&
              zoo_create(zh, "/k/e/x", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path) ==
                  ZNOCHILDRENFOREPHEMERALS,
          "an ephemeral has no children");
    check(zoo_delete(zh, "/k/e", 0) == ZOK && zoo_delete(zh, "/k/c", 0) == ZOK &&
              zoo_delete(zh, "/k", 1) == ZBADVERSION && zoo_delete(zh, "/k", 0) == ZOK,
          "delete with versions");
}

static void test_removing_watches(zhandle_t *zh) {
    struct Stat stat;
    zoo_create(zh, "/r", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
    check(zoo_wexists(zh, "/r", on_event, "r", &stat) == ZOK, "a watch to be removed");
    check(zoo_remove_watches(zh, "/r", ZWATCHTYPE_DATA, on_event, "r", 0) == ZOK,
          "the watch is removed");
    check(zoo_remove_watches(zh, "/r", ZWATCHTYPE_DATA, on_event, "r", 0) == ZNOWATCHER,
          "it cannot be removed twice");
}

/* What the second process does: opens a session, leaves an ephemeral and dies without a word. */
static int leave_a_session(const char *server) {
    zhandle_t *zh = zookeeper_init(server, on_event, 10000, NULL, NULL, 0);
    if (zh == NULL || !wait_for(&connected, 1)) return 1;
    if (zoo_create(zh, "/left", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, NULL, 0) != ZOK) return 1;
    fwrite(zoo_client_id(zh), sizeof(clientid_t), 1, stdout);
    fflush(stdout);
    _exit(0);
}

static void test_session_of_the_dead(const char *self, const char *server, zhandle_t *watcher) {
    char command[512];
    clientid_t id = {0, ""};
    struct Stat stat;
    snprintf(command, sizeof command, "%s %s leave", self, server);
    FILE *other = popen(command, "r");
    check(other != NULL && fread(&id, sizeof id, 1, other) == 1 && pclose(other) == 0,
          "another process leaves a session");
    connected = 0;
    zhandle_t *heir = zookeeper_init(server, on_event, 10000, &id, NULL, 0);
    check(heir != NULL && wait_for(&connected, 1), "take the session over");
    check(zoo_client_id(heir)->client_id == id.client_id, "it is the same session");
    check(zoo_exists(heir, "/left", 0, &stat) == ZOK && stat.ephemeralOwner == id.client_id,
          "the ephemeral came with it");
    check(zookeeper_close(heir) == ZOK, "end the session");
    check(zoo_exists(watcher, "/left", 0, &stat) == ZNONODE, "the ephemeral is gone");
}

static void on_expired(zhandle_t *zh, int type, int state, const char *path, void *context) {
    (void)zh;
    (void)path;
    if (type != ZOO_SESSION_EVENT || state != ZOO_EXPIRED_SESSION_STATE) return;
    pthread_mutex_lock(&lock);
    *(int *)context = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void test_session_that_never_was(const char *server, zhandle_t *zh) {
    static int expired;
    clientid_t id = *zoo_client_id(zh);
    id.client_id ^= 1 << 20; /* a session that never was */
    zhandle_t *thief = zookeeper_init(server, on_expired, 10000, &id, &expired, 0);
    check(thief != NULL && wait_for(&expired, 1), "a session that never was has expired");
    zookeeper_close(thief);
}

int main(int count, char **words) {
    zoo_set_debug_level(0);
    const char *server = count > 1 ? words[1] : "127.0.0.1:2181";
    if (count > 2) return leave_a_session(server);
    zhandle_t *zh = zookeeper_init(server, on_event, 10000, NULL, NULL, 0);
    check(zh != NULL && wait_for(&connected, 1), "connect");
    test_data(zh);
    test_watches(zh);
    test_multi(zh);
    test_async(zh);
    test_acl(zh);
    test_kinds(zh);
    test_removing_watches(zh);
    test_session_of_the_dead(words[0], server, zh);
    test_session_that_never_was(server, zh);
    const clientid_t *mine = zoo_client_id(zh);
    check(mine->client_id != 0, "a session id");
    check(zookeeper_close(zh) == ZOK, "close");
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
