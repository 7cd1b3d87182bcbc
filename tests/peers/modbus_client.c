/* A Modbus TCP client on Debian's libmodbus that reads like a gateway: all devices once a second, in the longest requests.
 *
 * modbus_client SETTLE_S SECONDS REGISTERS PORT…
 *
 * After SETTLE_S it measures for SECONDS and prints one line of JSON: requests and registers read, CPU seconds of this process,
 * resident kB, rounds that took longer than their second.
 */
#include <errno.h>
#include <modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static double cpu_s(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static long resident_kb(void) {
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
    if (file) fclose(file);
    return resident * 4;
}

int main(int argc, char **argv) {
    if (argc < 5) return fprintf(stderr, "usage: modbus_client SETTLE_S SECONDS REGISTERS PORT...\n"), 2;
    int settle = atoi(argv[1]), seconds = atoi(argv[2]), registers = atoi(argv[3]), devices = argc - 4;
    modbus_t **lines = calloc((size_t)devices, sizeof *lines);
    double *values = calloc((size_t)devices * (size_t)registers, sizeof *values);
    if (!lines || !values) return 1;
    for (int i = 0; i < devices; i++) {
        lines[i] = modbus_new_tcp("127.0.0.1", atoi(argv[4 + i]));
        if (!lines[i] || modbus_connect(lines[i]) < 0) return fprintf(stderr, "connect: %s\n", modbus_strerror(errno)), 1;
        modbus_set_slave(lines[i], 1);
    }
    struct timespec next, now;
    clock_gettime(CLOCK_MONOTONIC, &next);
    unsigned long requests = 0, read = 0, late = 0;
    double before = 0;
    for (int round = 0; round < settle + seconds; round++) {
        if (round == settle) requests = read = late = 0, before = cpu_s();
        for (int i = 0; i < devices; i++) {
            for (int at = 0; at < registers; at += MODBUS_MAX_READ_REGISTERS) {
                uint16_t raw[MODBUS_MAX_READ_REGISTERS];
                int count = registers - at < MODBUS_MAX_READ_REGISTERS ? registers - at : MODBUS_MAX_READ_REGISTERS;
                if (modbus_read_registers(lines[i], at, count, raw) != count) return fprintf(stderr, "read: %s\n", modbus_strerror(errno)), 1;
                for (int k = 0; k < count; k++) values[i * registers + at + k] = raw[k];
                requests++, read += (unsigned long)count;
            }
        }
        next.tv_sec++;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec > next.tv_sec || (now.tv_sec == next.tv_sec && now.tv_nsec > next.tv_nsec)) late++;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
    printf("{\"requests\": %lu, \"points\": %lu, \"cpu_s\": %.4f, \"rss_mib\": %.1f, \"late\": %lu, \"seconds\": %d}\n", requests, read,
           cpu_s() - before, (double)resident_kb() / 1024, late, seconds);
    return 0;
}
