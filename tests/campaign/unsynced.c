/* A file layer that tells what a crash of the machine would leave: preloaded into the hub, it keeps beside the data
 * directory (UNSYNCED_OF) a copy (UNSYNCED_KEPT) that gets bytes only when they are synced and names only when their
 * directory is. The device itself is not synced.
 *
 * UNSYNCED_KEPT/<inode-birth> holds a file's synced bytes, UNSYNCED_KEPT/names the synced names: "name key" by line.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES_MAX 65536
#define SYNC_TAKES_US 3000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char of[PATH_MAX], kept[PATH_MAX];
/* From which byte on a file differs from its synced copy, by inode. */
static struct { ino_t inode; off_t from; int dirty; } files[FILES_MAX];

static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);

static void fail(const char *what) {
    dprintf(2, "unsynced: %s: %s\n", what, strerror(errno));
    abort();
}

static void find(void) {
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
}

/* Whether the file is (in) the data directory, and its path. */
static int watched(int fd, char *path) {
    char link[64];
    if (!of[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    if (n < 0) return 0;
    path[n] = 0;
    size_t length = strlen(of);
    return !strncmp(path, of, length) && (path[length] == 0 || path[length] == '/');
}

static int key(int fd, char *to) {
    struct statx x;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME | STATX_TYPE, &x)) return 0;
    if (!S_ISREG(x.stx_mode)) return 0;
    sprintf(to, "%llu-%lld.%u", (unsigned long long)x.stx_ino, (long long)x.stx_btime.tv_sec, x.stx_btime.tv_nsec);
    return 1;
}

static int slot(ino_t inode) {
    size_t at = inode % FILES_MAX;
    for (size_t i = 0; i < FILES_MAX; i++, at = (at + 1) % FILES_MAX)
        if (!files[at].inode || files[at].inode == inode) {
            files[at].inode = inode;
            return at;
        }
    fail("too many files");
    return 0;
}

static void soil(int fd, off_t from) {
    char path[PATH_MAX];
    struct stat s;
    if (!watched(fd, path) || fstat(fd, &s)) return;
    pthread_mutex_lock(&lock);
    int at = slot(s.st_ino);
    if (!files[at].dirty || from < files[at].from) files[at].from = from;
    files[at].dirty = 1;
    pthread_mutex_unlock(&lock);
}

static void copy(int fd, off_t from) {
    char name[64], path[PATH_MAX], reopened[64];
    static char buffer[1 << 16];
    struct stat s;
    if (!key(fd, name) || fstat(fd, &s)) return;
    snprintf(path, sizeof path, "%s/%s", kept, name);
    snprintf(reopened, sizeof reopened, "/proc/self/fd/%d", fd);
    int in = open(reopened, O_RDONLY | O_CLOEXEC), out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (in < 0 || out < 0) fail(path);
    for (off_t at = from; at < s.st_size;) {
        ssize_t n = pread(in, buffer, sizeof buffer, at);
        if (n <= 0) break;
        if (real_pwrite(out, buffer, n, at) != n) fail(path);
        at += n;
    }
    if (real_ftruncate(out, s.st_size)) fail(path);
    close(in);
    close(out);
}

static void keep_names(void) {
    char new[PATH_MAX], names[PATH_MAX], path[PATH_MAX], name[64];
    snprintf(new, sizeof new, "%s/names.new", kept);
    snprintf(names, sizeof names, "%s/names", kept);
    DIR *directory = opendir(of);
    if (!directory) return;
    FILE *out = fopen(new, "we");
    if (!out) fail(new);
    for (struct dirent *entry; (entry = readdir(directory));) {
        snprintf(path, sizeof path, "%s/%s", of, entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            if (key(fd, name)) fprintf(out, "%s %s\n", entry->d_name, name);
            close(fd);
        }
    }
    closedir(directory);
    if (fclose(out) || rename(new, names)) fail(names);
}

static int sync_it(int fd) {
    char path[PATH_MAX];
    struct stat s;
    if (!watched(fd, path)) return real_fsync(fd);
    if (fstat(fd, &s)) return -1;
    /* A device takes its time; the process is to be killed while it waits, too. */
    usleep(SYNC_TAKES_US);
    pthread_mutex_lock(&lock);
    if (S_ISDIR(s.st_mode)) {
        keep_names();
    } else {
        int at = slot(s.st_ino);
        copy(fd, files[at].dirty ? files[at].from : s.st_size);
        files[at].dirty = 0;
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

__attribute__((constructor)) static void begin(void) {
    find();
    const char *where = getenv("UNSYNCED_OF"), *to = getenv("UNSYNCED_KEPT");
    if (!where || !to) return;
    snprintf(of, sizeof of, "%s", where);
    snprintf(kept, sizeof kept, "%s", to);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t at) {
    if (!real_pwrite) find();
    soil(fd, at);
    return real_pwrite(fd, bytes, n, at);
}
ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) { return pwrite64(fd, bytes, n, at); }

ssize_t write(int fd, const void *bytes, size_t n) {
    if (!real_write) find();
    off_t at = of[0] ? lseek(fd, 0, SEEK_CUR) : -1;
    if (at >= 0) soil(fd, at);
    return real_write(fd, bytes, n);
}

int ftruncate64(int fd, off_t to) {
    if (!real_ftruncate) find();
    soil(fd, to);
    return real_ftruncate(fd, to);
}
int ftruncate(int fd, off_t to) { return ftruncate64(fd, to); }

int fdatasync(int fd) {
    if (!real_fsync) find();
    return sync_it(fd);
}
int fsync(int fd) { return fdatasync(fd); }
