/* Many Modbus units behind one line, on Debian's libmodbus; some of them are dead until told otherwise.
 *
 * modbus_units tcp ADDRESS PORT COUNTS DEAD…       one TCP host; a dead unit is ignored          prints "ready PORT"
 * modbus_units gateway ADDRESS PORT COUNTS DEAD…   a gateway before serial units: answers one at a time, and
 *                                                  says 0B for a dead one after it has waited 300 ms itself
 * modbus_units rtu DEVICE - COUNTS DEAD…           a bus with all its slaves                     prints "ready DEVICE"
 *
 * UNIT@MS instead of UNIT: it does not die but answers after so many milliseconds; nobody else is answered meanwhile.
 * COUNTS is a file of 512 uint32: requests seen by unit, then answers given by unit. SIGUSR1: the dead return; SIGUSR2: they die.
 * Holding registers 0..999 hold their wire address.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <modbus.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static modbus_mapping_t *map;
static uint32_t *counts;
static uint8_t mortal[256];
static long late_ms[256];
static volatile sig_atomic_t dead = 1;
static int gateway;

static void on_signal(int number) { dead = number == SIGUSR2; }

static void serve(modbus_t *bus, const uint8_t *query, int length, int unit) {
    counts[unit]++;
    if (late_ms[unit] && dead) {
        struct timespec wait = {late_ms[unit] / 1000, late_ms[unit] % 1000 * 1000000L};
        nanosleep(&wait, NULL);
    } else if (mortal[unit] && dead) {
        if (!gateway) return;
        struct timespec wait = {0, 300 * 1000000L};
        nanosleep(&wait, NULL);
        modbus_reply_exception(bus, query, MODBUS_EXCEPTION_GATEWAY_TARGET);
        return;
    }
    counts[256 + unit]++;
    modbus_reply(bus, query, length, map);
}

static int serve_tcp(const char *host, int port) {
    modbus_t *bus = modbus_new_tcp(host, port);
    int listener = modbus_tcp_listen(bus, 64);
    if (listener < 0) return fprintf(stderr, "listen: %s\n", modbus_strerror(errno)), 1;
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("ready %d\n", ntohs(address.sin_port));
    fflush(stdout);
    fd_set all, ready;
    int highest = listener;
    FD_ZERO(&all);
    FD_SET(listener, &all);
    for (;;) {
        ready = all;
        if (select(highest + 1, &ready, NULL, NULL, NULL) < 0) {
            if (errno == EINTR) continue;
            return 1;
        }
        for (int fd = 0; fd <= highest; fd++) {
            if (!FD_ISSET(fd, &ready)) continue;
            if (fd == listener) {
                int client = accept(listener, NULL, NULL);
                if (client < 0) continue;
                FD_SET(client, &all);
                if (client > highest) highest = client;
                continue;
            }
            uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
            modbus_set_socket(bus, fd);
            int length = modbus_receive(bus, query);
            if (length > 0) {
                serve(bus, query, length, query[6]);
            } else if (length < 0 && errno != EINTR) {
                close(fd);
                FD_CLR(fd, &all);
            }
        }
    }
}

static uint16_t crc16(const uint8_t *bytes, int length) {
    uint16_t crc = 0xFFFF;
    for (int i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xA001 : crc >> 1;
    }
    return crc;
}

/* libmodbus receives for one unit only and ignores the bus for half a second after a request to another one, so requests are cut
 * out here and answered by libmodbus. */
static int serve_rtu(const char *device) {
    modbus_t *bus = modbus_new_rtu(device, 19200, 'N', 8, 1);
    modbus_set_slave(bus, 1);
    if (modbus_connect(bus) < 0) return fprintf(stderr, "%s: %s\n", device, modbus_strerror(errno)), 1;
    printf("ready %s\n", device);
    fflush(stdout);
    uint8_t buffer[8];
    int have = 0, fd = modbus_get_socket(bus);
    for (;;) {
        fd_set ready;
        FD_ZERO(&ready);
        FD_SET(fd, &ready);
        if (select(fd + 1, &ready, NULL, NULL, NULL) < 0) {
            if (errno == EINTR) continue;
            return 1;
        }
        ssize_t got = read(fd, buffer + have, sizeof buffer - have);
        if (got < 0 && errno != EINTR && errno != EAGAIN) return 1;
        if (got <= 0) continue;
        have += (int)got;
        while (have == 8) {
            if (crc16(buffer, 6) == (buffer[6] | buffer[7] << 8)) {
                struct timespec turnaround = {0, 3 * 1000000L};
                nanosleep(&turnaround, NULL);
                modbus_set_slave(bus, buffer[0]);
                serve(bus, buffer, 8, buffer[0]);
                have = 0;
            } else {
                memmove(buffer, buffer + 1, (size_t)--have);
            }
        }
    }
}

int main(int argc, char **argv) {
    if (argc < 5) return fprintf(stderr, "usage: modbus_units tcp|gateway|rtu PLACE PORT COUNTS DEAD...\n"), 2;
    map = modbus_mapping_new(0, 0, 1000, 0);
    for (int i = 0; i < 1000; i++) map->tab_registers[i] = (uint16_t)i;
    for (int i = 5; i < argc; i++) {
        const char *late = strchr(argv[i], '@');
        mortal[atoi(argv[i]) & 255] = 1;
        if (late) late_ms[atoi(argv[i]) & 255] = atol(late + 1);
    }
    int file = open(argv[4], O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, 512 * sizeof(uint32_t)) < 0) return perror(argv[4]), 1;
    counts = mmap(NULL, 512 * sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    gateway = !strcmp(argv[1], "gateway");
    return strcmp(argv[1], "rtu") ? serve_tcp(argv[2], atoi(argv[3])) : serve_rtu(argv[2]);
}
