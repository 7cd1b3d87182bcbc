/* A Modbus TCP server on Debian's libmodbus for load: many devices in one process, whose values change.
 *
 * modbus_load DEVICES REGISTERS PERCENT     prints "ready PORT PORT …", one port of 127.0.0.1 per device
 *
 * Every device has holding registers 0..REGISTERS-1. Once a second PERCENT of them change by one, taken in turn, so after a while
 * each has changed as often as any other. SIGUSR1 prints "served N", the requests answered so far by all of them.
 */
#include <errno.h>
#include <modbus.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { LISTENER = 0, CLIENT = 1, TIMER = 2, SIGNAL = 3, EVENTS = 64 };

typedef struct { uint16_t kind, device; int fd; } who_t;
typedef union { who_t who; uint64_t word; } tag_t;

static modbus_mapping_t **maps;
static int devices, registers_each, changing, next_change;
static unsigned long served;

static int watch(int poller, int kind, int device, int fd) {
    tag_t tag = {.who = {(uint16_t)kind, (uint16_t)device, fd}};
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag.word};
    return epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static int listener(modbus_t *bus, int *port) {
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int fd = modbus_tcp_listen(bus, 8);
    if (fd < 0 || getsockname(fd, (struct sockaddr *)&address, &size) < 0) return -1;
    *port = ntohs(address.sin_port);
    return fd;
}

static void change(void) {
    for (int k = 0; k < changing; k++, next_change = (next_change + 1) % registers_each)
        for (int device = 0; device < devices; device++) maps[device]->tab_registers[next_change]++;
}

static void serve(modbus_t *bus, who_t who) {
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    modbus_set_socket(bus, who.fd);
    int length = modbus_receive(bus, query);
    if (length < 0) close(who.fd);
    if (length <= 0) return;
    modbus_reply(bus, query, length, maps[who.device]);
    served++;
}

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "usage: modbus_load DEVICES REGISTERS PERCENT\n"), 2;
    devices = atoi(argv[1]), registers_each = atoi(argv[2]), changing = registers_each * atoi(argv[3]) / 100;
    modbus_t *bus = modbus_new_tcp("127.0.0.1", 0);
    int poller = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec second = {.it_interval = {1, 0}, .it_value = {1, 0}};
    sigset_t asked;
    sigemptyset(&asked), sigaddset(&asked, SIGUSR1), sigprocmask(SIG_BLOCK, &asked, NULL);
    int told = signalfd(-1, &asked, 0);
    maps = calloc((size_t)devices, sizeof *maps);
    if (!bus || !maps || poller < 0 || timer < 0 || told < 0) return perror("modbus_load"), 1;
    timerfd_settime(timer, 0, &second, NULL);
    watch(poller, TIMER, 0, timer), watch(poller, SIGNAL, 0, told);
    printf("ready");
    for (int device = 0; device < devices; device++) {
        int port, fd = listener(bus, &port);
        maps[device] = modbus_mapping_new(0, 0, registers_each, 0);
        if (fd < 0 || !maps[device]) return fprintf(stderr, "device %d: %s\n", device, modbus_strerror(errno)), 1;
        for (int i = 0; i < registers_each; i++) maps[device]->tab_registers[i] = (uint16_t)(i + device);
        watch(poller, LISTENER, device, fd);
        printf(" %d", port);
    }
    printf("\n"), fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(poller, events, EVENTS, -1);
        if (count < 0 && errno != EINTR) return perror("epoll_wait"), 1;
        for (int i = 0; i < count; i++) {
            tag_t tag = {.word = events[i].data.u64};
            uint64_t ticks;
            struct signalfd_siginfo about;
            switch (tag.who.kind) {
            case LISTENER: {
                int fd = accept(tag.who.fd, NULL, NULL);
                if (fd >= 0) watch(poller, CLIENT, tag.who.device, fd);
                break;
            }
            case TIMER:
                if (read(timer, &ticks, sizeof ticks) == sizeof ticks) change();
                break;
            case SIGNAL:
                if (read(told, &about, sizeof about) == sizeof about) printf("served %lu\n", served), fflush(stdout);
                break;
            default:
                serve(bus, tag.who);
            }
        }
    }
}
