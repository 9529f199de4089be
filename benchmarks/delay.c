/* Carries IP packets between one client and many hosts, each some time later.
 *
 *     delay PREFIX HOSTS MICROSECONDS
 *
 * Makes the TUN devices PREFIXc (the client's) and PREFIX0, PREFIX1 ... (the hosts'), says "ready",
 * and passes every IPv4 packet on after MICROSECONDS: from the client to the host that its
 * destination 198.18.a.b names (number (a - 1) * 250 + b - 1), from a host to the client. The delay
 * is the same for all packets, so a queue keeps them in the order in which they are due.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST = 65536, HEADER = 20, MOST_HOSTS = 60000, BURST = 32 };

struct packet {
    struct packet *next;
    int64_t due;
    int to;
    ssize_t size;
    unsigned char bytes[];
};

static struct packet *head, *tail;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int device(const char *prefix, const char *suffix) {
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    snprintf(request.ifr_name, IFNAMSIZ, "%s%s", prefix, suffix);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) fail(request.ifr_name);
    return fd;
}

static void watch(int poll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
}

static void keep(int to, const unsigned char *bytes, ssize_t size, int64_t due) {
    struct packet *p = malloc(sizeof *p + (size_t)size);
    if (!p) fail("malloc");
    *p = (struct packet){.due = due, .to = to, .size = size};
    memcpy(p->bytes, bytes, (size_t)size);
    if (tail) tail->next = p; else head = p;
    tail = p;
}

/* A packet that the other side cannot take is lost, as on any network. */
static void deliver(void) {
    int64_t moment = now();
    while (head && head->due <= moment) {
        struct packet *p = head;
        if (write(p->to, p->bytes, (size_t)p->size) < 0 && errno == EBADF) fail("write");
        if (!(head = p->next)) tail = NULL;
        free(p);
    }
}

static void set_alarm(int timer) {
    struct itimerspec at = {0};
    if (head) {
        at.it_value.tv_sec = head->due / 1000000000;
        at.it_value.tv_nsec = head->due % 1000000000;
    }
    if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL) < 0) fail("timerfd_settime");
}

int main(int argc, char **argv) {
    static unsigned char bytes[LARGEST];
    static int hosts[MOST_HOSTS];
    struct epoll_event events[64];
    int64_t armed = 0;
    if (argc != 4) return 2;
    int count = atoi(argv[2]);
    int64_t delay = atoll(argv[3]) * 1000;
    if (count < 1 || count > MOST_HOSTS) return 2;
    int client = device(argv[1], "c");
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    int poll = epoll_create1(0);
    watch(poll, client);
    watch(poll, timer);
    for (int i = 0; i < count; i++) {
        char suffix[12];
        snprintf(suffix, sizeof suffix, "%d", i);
        watch(poll, hosts[i] = device(argv[1], suffix));
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(poll, events, 64, -1);
        if (ready < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < ready; i++) {
            int from = events[i].data.fd;
            uint64_t expirations;
            if (from == timer) {
                if (read(timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
                    fail("timer");
                continue;
            }
            for (int n = 0; n < BURST; n++) {
                ssize_t size = read(from, bytes, sizeof bytes);
                if (size < HEADER) break;
                if (bytes[0] >> 4 != 4) continue;
                int number = (bytes[18] - 1) * 250 + bytes[19] - 1;
                if (from != client) keep(client, bytes, size, now() + delay);
                else if (number >= 0 && number < count) keep(hosts[number], bytes, size, now() + delay);
            }
        }
        deliver();
        if (head ? head->due != armed : armed != 0) {
            armed = head ? head->due : 0;
            set_alarm(timer);
        }
    }
}
