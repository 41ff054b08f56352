/* Preloaded into a process: writes down, in order, what it does to the files of one folder, named by RECORD_FOLDER, in the file RECORD_LOG.
   A record: operation (1 byte), length of the name (4), offset or size (8), length of the data (8), name, data. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static int record = -1;

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static const char *inside(const char *path) {
    const char *folder = getenv("RECORD_FOLDER");
    size_t length = folder ? strlen(folder) : 0;
    if (!length || strncmp(path, folder, length)) return NULL;
    return path[length] == '/' ? path + length + 1 : path[length] ? NULL : ".";
}

static const char *named(int file, char *buffer) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, buffer, 4095);
    if (length < 0) return NULL;
    buffer[length] = 0;
    return inside(buffer);
}

static void whole(const void *data, size_t length) {
    while (length) {
        ssize_t written = REAL(write)(record, data, length);
        if (written <= 0) abort();
        data = (const char *)data + written;
        length -= written;
    }
}

static void note(char operation, const char *name, uint64_t offset, const void *data, uint64_t length) {
    if (!name || strstr(name, "-shm")) return;
    if (record < 0) record = REAL(open)(getenv("RECORD_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    uint32_t size = strlen(name);
    whole(&operation, 1);
    whole(&size, 4);
    whole(&offset, 8);
    whole(&length, 8);
    whole(name, size);
    whole(data, length);
}

#define RECORDED(result_type, call, name, operation, offset, data, length)  \
    char buffer[4096];                                                       \
    pthread_mutex_lock(&lock);                                               \
    const char *name_ = name;                                                \
    char kept[4096];                                                         \
    if (name_) name_ = strcpy(kept, name_);                                  \
    result_type result = call;                                               \
    if (result >= 0) note(operation, name_, offset, data, length);           \
    (void)buffer;                                                            \
    pthread_mutex_unlock(&lock);                                             \
    return result;

ssize_t pwrite(int file, const void *data, size_t length, off_t offset) {
    RECORDED(ssize_t, REAL(pwrite)(file, data, length, offset), named(file, buffer), 'w', offset, data, result)
}
ssize_t pwrite64(int file, const void *data, size_t length, off64_t offset) {
    RECORDED(ssize_t, REAL(pwrite64)(file, data, length, offset), named(file, buffer), 'w', offset, data, result)
}
/* Only the file of what was told is written this way, at its end. */
ssize_t write(int file, const void *data, size_t length) {
    RECORDED(ssize_t, REAL(write)(file, data, length), named(file, buffer), 'a', 0, data, result)
}
int ftruncate(int file, off_t size) { RECORDED(int, REAL(ftruncate)(file, size), named(file, buffer), 't', size, "", 0) }
int ftruncate64(int file, off64_t size) {
    RECORDED(int, REAL(ftruncate64)(file, size), named(file, buffer), 't', size, "", 0)
}
int fsync(int file) { RECORDED(int, REAL(fsync)(file), named(file, buffer), 's', 0, "", 0) }
int fdatasync(int file) { RECORDED(int, REAL(fdatasync)(file), named(file, buffer), 's', 0, "", 0) }
int unlink(const char *path) { RECORDED(int, REAL(unlink)(path), inside(path), 'u', 0, "", 0) }
int rename(const char *from, const char *to) {
    RECORDED(int, REAL(rename)(from, to), inside(from), 'r', 0, to, strlen(to))
}

#define OPENED(name)                                                                                        \
    int name(const char *path, int flags, ...) {                                                             \
        va_list rest;                                                                                         \
        va_start(rest, flags);                                                                                \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;                                             \
        va_end(rest);                                                                                         \
        int is_new = (flags & O_CREAT) && inside(path) && access(path, F_OK);                                 \
        RECORDED(int, REAL(name)(path, flags, mode), is_new ? inside(path) : NULL, 'c', 0, "", 0)             \
    }
OPENED(open)
OPENED(open64)
