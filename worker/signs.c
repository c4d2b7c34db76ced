/* See signs.h. Counters are compared with those of two readings ago; what has just begun shows in
 * the next reading, after a quarter of a second, and fully in the one after it. */
#include "signs.h"

#include "buf.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { READINGS = 3, PATH_BYTES = 512 };

struct counters {
    int64_t now_ms;
    double all, others; /* ticks of /proc/stat */
    double cpu, memory; /* microseconds of PSI */
};

struct signs_reader {
    char root[PATH_BYTES / 2];
    struct counters ring[READINGS];
    uint64_t count; /* readings so far */
    uint64_t interrupts;
    bool interrupts_known;
    int64_t touched_ms; /* when the interrupts last grew */
    struct buf text;
};

struct signs_reader *signs_open(const char *root)
{
    struct signs_reader *r = mem_alloc(1, sizeof *r);
    snprintf(r->root, sizeof r->root, "%s", root);
    r->touched_ms = INT64_MIN;
    return r;
}

void signs_close(struct signs_reader *r)
{
    if (!r)
        return;
    buf_fini(&r->text);
    free(r);
}

/* The whole of a small file, "" when it cannot be read; borrowed until the next call. */
static const char *file(struct signs_reader *r, const char *path)
{
    enum { STEP = 16384, MOST = 1 << 20 };
    char full[PATH_BYTES];
    buf_clear(&r->text);
    snprintf(full, sizeof full, "%s%s", r->root, path);
    int fd = open(full, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : 1;
    while (n > 0 && r->text.len < MOST) {
        n = read(fd, buf_grow(&r->text, STEP), STEP);
        r->text.len -= STEP - (size_t)(n > 0 ? n : 0);
    }
    if (fd >= 0)
        close(fd);
    return buf_text(&r->text);
}

/* --- counters --------------------------------------------------------------------------------- */

/* cpu user nice system idle iowait irq softirq steal: nice time is a guest's, like ours. */
static void read_stat(struct signs_reader *r, struct counters *c)
{
    double v[8] = {0};
    if (sscanf(file(r, "/proc/stat"), "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &v[0], &v[1], &v[2],
               &v[3], &v[4], &v[5], &v[6], &v[7]) < 4)
        return;
    for (int i = 0; i < 8; i++)
        c->all += v[i];
    c->others = v[0] + v[2] + v[5] + v[6];
}

int64_t signs_others_ns(int fd, int core, char *text, size_t size)
{
    char name[16];
    long long v[7] = {0};
    ssize_t n = pread(fd, text, size - 1, 0);
    snprintf(name, sizeof name, core < 0 ? "cpu " : "\ncpu%d ", core);
    text[n > 0 ? n : 0] = '\0';
    const char *line = strstr(text, name);
    if (!line || sscanf(line + strlen(name), "%lld %lld %lld %lld %lld %lld %lld", &v[0], &v[1],
                        &v[2], &v[3], &v[4], &v[5], &v[6]) != 7)
        return -1;
    return (v[0] + v[2] + v[5] + v[6]) * (1000000000 / sysconf(_SC_CLK_TCK));
}

int signs_runnable(int fd)
{
    char text[128];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    int runnable;
    return sscanf(text, "%*s %*s %*s %d/", &runnable) == 1 && runnable > 0 ? runnable : -1;
}

static double read_pressure(struct signs_reader *r, const char *path)
{
    const char *total = strstr(file(r, path), "total="); /* the first line is "some" */
    return total ? strtod(total + 6, NULL) : 0;
}

static double share(double part, double whole)
{
    if (!(whole > 0) || !(part > 0))
        return 0;
    return part < whole ? part / whole : 1;
}

static void compare(struct signs_reader *r, int64_t now_ms, struct signs *s)
{
    struct counters c = {.now_ms = now_ms};
    read_stat(r, &c);
    c.cpu = read_pressure(r, "/proc/pressure/cpu");
    c.memory = read_pressure(r, "/proc/pressure/memory");
    const struct counters *before = &r->ring[(r->count >= 2 ? r->count - 2 : 0) % READINGS];
    if (r->count > 0) {
        double us = 1000.0 * (double)(now_ms - before->now_ms);
        s->others = share(c.others - before->others, c.all - before->all);
        s->cpu_wait = share(c.cpu - before->cpu, us);
        s->memory_wait = share(c.memory - before->memory, us);
    }
    r->ring[r->count++ % READINGS] = c;
}

/* --- the owner -------------------------------------------------------------------------------- */

static double since(const struct signs_reader *r, const char *folder, const char *name,
                    double idle_s)
{
    char path[PATH_BYTES];
    struct stat st;
    struct timespec now;
    snprintf(path, sizeof path, "%s%s/%s", r->root, folder, name);
    if (stat(path, &st))
        return idle_s;
    clock_gettime(CLOCK_REALTIME, &now);
    double s = (double)(now.tv_sec - st.st_atim.tv_sec);
    return s < 0 ? idle_s : fmin(s, idle_s); /* a time to come is no sign of anybody */
}

static double terminals_idle_s(const struct signs_reader *r)
{
    char path[PATH_BYTES], name[16];
    double idle = INFINITY;
    snprintf(path, sizeof path, "%s/dev/pts", r->root);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (isdigit((unsigned char)e->d_name[0]))
            idle = since(r, "/dev/pts", e->d_name, idle);
    if (dir)
        closedir(dir);
    for (int i = 1; i <= 12; i++) {
        snprintf(name, sizeof name, "tty%d", i);
        idle = since(r, "/dev", name, idle);
    }
    return idle;
}

static bool is_input_line(const char *line, size_t len)
{
    static const char *const devices[] = {"i8042", "ELAN", "SYNA", "ouch", "eyboard", "_hid"};
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        if (memmem(line, len, devices[i], strlen(devices[i])))
            return true;
    return false;
}

/* "  1:   9   0   IO-APIC   1-edge   i8042": the sum over all processors. */
static uint64_t input_interrupts(struct signs_reader *r)
{
    uint64_t sum = 0;
    for (const char *line = file(r, "/proc/interrupts"), *end; *line; line = end) {
        size_t len = strcspn(line, "\n");
        end = line + len + (line[len] == '\n');
        const char *at = memchr(line, ':', len);
        if (!at || !is_input_line(line, len))
            continue;
        for (char *next;; at = next) {
            uint64_t n = strtoull(at + 1, &next, 10);
            if (next == at + 1 || next > line + len)
                break;
            sum += n;
            if (*next != ' ')
                break;
        }
    }
    return sum;
}

static double interrupts_idle_s(struct signs_reader *r, int64_t now_ms)
{
    uint64_t sum = input_interrupts(r);
    if (r->interrupts_known && sum != r->interrupts)
        r->touched_ms = now_ms;
    r->interrupts = sum;
    r->interrupts_known = true;
    return r->touched_ms == INT64_MIN ? INFINITY : (double)(now_ms - r->touched_ms) / 1000;
}

/* Calls f for each entry of a folder below root until one returns true. */
typedef bool entry_fn(struct signs_reader *r, const char *name);

static bool any_entry(struct signs_reader *r, const char *folder, entry_fn *f)
{
    char path[PATH_BYTES];
    bool found = false;
    snprintf(path, sizeof path, "%s%s", r->root, folder);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && !found && (e = readdir(dir));)
        found = e->d_name[0] != '.' && f(r, e->d_name);
    if (dir)
        closedir(dir);
    return found;
}

static bool begins(struct signs_reader *r, const char *folder, const char *name, const char *leaf,
                   const char *text)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s/%s", folder, name, leaf);
    return strncmp(file(r, path), text, strlen(text)) == 0;
}

static bool is_lit(struct signs_reader *r, const char *name)
{
    return begins(r, "/sys/class/drm", name, "status", "connected") &&
           begins(r, "/sys/class/drm", name, "dpms", "On");
}

static bool seat_is_lit(struct signs_reader *r)
{
    const char *seat = file(r, "/run/systemd/seats/seat0"); /* logind's state of the first seat */
    bool in_use = strstr(seat, "ACTIVE_UID=") && strstr(seat, "CAN_GRAPHICAL=1");
    return in_use && any_entry(r, "/sys/class/drm", is_lit);
}

/* --- the battery ------------------------------------------------------------------------------ */

static const char supplies[] = "/sys/class/power_supply";

static bool is_mains(struct signs_reader *r, const char *name)
{
    return !begins(r, supplies, name, "type", "Battery") &&
           begins(r, supplies, name, "online", "1");
}

/* A mouse's battery has the scope "Device". */
static bool is_draining(struct signs_reader *r, const char *name)
{
    return begins(r, supplies, name, "type", "Battery") &&
           begins(r, supplies, name, "status", "Discharging") &&
           !begins(r, supplies, name, "scope", "Device");
}

struct signs signs_read(struct signs_reader *r, int64_t now_ms)
{
    struct signs s = {0};
    compare(r, now_ms, &s);
    s.owner_idle_s = fmin(terminals_idle_s(r), interrupts_idle_s(r, now_ms));
    if (seat_is_lit(r))
        s.owner_idle_s = 0;
    s.on_battery = any_entry(r, supplies, is_draining) && !any_entry(r, supplies, is_mains);
    return s;
}
