/* A Modbus server on Debian's libmodbus, independent of the gateway's own code, with known contents.
 *
 * modbus_server tcp PORT            (0: any free port)      prints "ready PORT"
 * modbus_server rtu DEVICE UNIT     (19200 8E1)             prints "ready DEVICE"
 *
 * holding 0..999      the register's own wire address
 * holding 1000..1199  one value of each type, see tests/peers/modbus.py; 1200..1999 zero; from 2000 on: illegal data address
 * input 0..199        10000 + wire address; 190, 191: requests served so far (uint32)
 * coils 0..199        1 where the address is divisible by 3;  discrete inputs 0..199: by 5
 */
#include <errno.h>
#include <modbus.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

static modbus_mapping_t *map;
static uint32_t served;

static void put64(int at, uint64_t value, int registers) {
    for (int i = 0; i < registers; i++)
        map->tab_registers[at + i] = (uint16_t)(value >> (16 * (registers - 1 - i)));
}

static void put_float(int at, float value) {
    uint32_t raw;
    memcpy(&raw, &value, sizeof raw);
    put64(at, raw, 2);
}

static void put_double(int at, double value) {
    uint64_t raw;
    memcpy(&raw, &value, sizeof raw);
    put64(at, raw, 4);
}

static uint16_t swapped(uint16_t value) { return (uint16_t)(value << 8 | value >> 8); }

static void fill(void) {
    for (int i = 0; i < 1000; i++) map->tab_registers[i] = (uint16_t)i;
    put64(1000, (uint16_t)-1234, 1);
    put64(1001, 54321, 1);
    put64(1002, (uint32_t)-123456789, 2);
    put64(1004, 4000000000u, 2);
    put64(1006, (uint64_t)-1234567890123456789LL, 4);
    put64(1010, 18000000000000000001ULL, 4);
    put_float(1014, 41.9f);
    put_double(1016, -273.15);
    const char *text = "UMG 96-PA";
    for (int i = 0; i < 8; i++) {
        char high = 2 * i < (int)strlen(text) ? text[2 * i] : 0, low = 2 * i + 1 < (int)strlen(text) ? text[2 * i + 1] : 0;
        map->tab_registers[1020 + i] = (uint16_t)((uint8_t)high << 8 | (uint8_t)low);
    }
    map->tab_registers[1028] = 0x8009; /* bits 0, 3 and 15 */
    put_float(1030, 41.9f); /* and the same with words, bytes, both swapped */
    map->tab_registers[1032] = map->tab_registers[1031], map->tab_registers[1033] = map->tab_registers[1030];
    map->tab_registers[1034] = swapped(map->tab_registers[1030]), map->tab_registers[1035] = swapped(map->tab_registers[1031]);
    map->tab_registers[1036] = swapped(map->tab_registers[1031]), map->tab_registers[1037] = swapped(map->tab_registers[1030]);
    map->tab_registers[1038] = 401; /* 40.1 with a scale of 0.1 */
    map->tab_registers[1039] = 2;   /* a state */
    map->tab_registers[1040] = 0x7fc0; /* a float32 that is not a number */
    for (int i = 0; i < 200; i++) {
        map->tab_input_registers[i] = (uint16_t)(10000 + i);
        map->tab_bits[i] = i % 3 == 0;
        map->tab_input_bits[i] = i % 5 == 0;
    }
}

static void answer(modbus_t *bus, const uint8_t *query, int length) {
    served++;
    map->tab_input_registers[190] = (uint16_t)(served >> 16);
    map->tab_input_registers[191] = (uint16_t)served;
    modbus_reply(bus, query, length, map);
}

static int serve_tcp(int port) {
    modbus_t *bus = modbus_new_tcp("127.0.0.1", port);
    int listener = modbus_tcp_listen(bus, 16);
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
        if (select(highest + 1, &ready, NULL, NULL, NULL) < 0) return 1;
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
                answer(bus, query, length);
            } else if (length < 0) {
                close(fd);
                FD_CLR(fd, &all);
            }
        }
    }
}

static int serve_rtu(const char *device, int unit) {
    modbus_t *bus = modbus_new_rtu(device, 19200, 'E', 8, 1);
    modbus_set_slave(bus, unit);
    if (modbus_connect(bus) < 0) return fprintf(stderr, "%s: %s\n", device, modbus_strerror(errno)), 1;
    printf("ready %s\n", device);
    fflush(stdout);
    for (;;) {
        uint8_t query[MODBUS_RTU_MAX_ADU_LENGTH];
        int length = modbus_receive(bus, query);
        if (length > 0) answer(bus, query, length);
        else if (length < 0 && (errno == EIO || errno == EBADF)) return 1;
    }
}

int main(int argc, char **argv) {
    map = modbus_mapping_new(200, 200, 2000, 200);
    if (!map) return 1;
    fill();
    if (argc == 3 && !strcmp(argv[1], "tcp")) return serve_tcp(atoi(argv[2]));
    if (argc == 4 && !strcmp(argv[1], "rtu")) return serve_rtu(argv[2], atoi(argv[3]));
    fprintf(stderr, "usage: modbus_server tcp PORT | rtu DEVICE UNIT\n");
    return 2;
}
