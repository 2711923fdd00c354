/* The agent's frames, byte by byte: they are what the server's golden tests feed, too. */
#include "agent/frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "base/mem.h"
#include "codec/json/scan.h"

#define AT INT64_C(1752701400000) /* 2025-07-16T21:30:00.000Z */

static void assert_frame(buf *frame, const char *text)
{
    assert_int_equal(json_check(buf_span(frame), 16, JSON_REFUSE_PROTO, NULL), 0);
    buf_append_byte(frame, 0);
    assert_string_equal((const char *)frame->ptr, text);
    buf_deinit(frame);
}

static struct host_sample sample(void)
{
    return (struct host_sample){
        .at_ms = AT, .cpu_percent = 12.3456, .download_bytes = 1234.56, .upload_bytes = 0.4,
        .memory = {.total_bytes = 8589934592, .used_bytes = 4294967296, .swap_used_bytes = 7},
        .load1 = 0.523, .disk_used_bytes = 10, .disk_total_bytes = 20};
}

#define VALUES                                                                                     \
    "\"cpu\":12.35,\"memory\":{\"used\":4294967296,\"total\":8589934592},"                         \
    "\"network\":{\"download\":1235,\"upload\":0},\"load\":0.52,"                                  \
    "\"disk\":{\"used\":10,\"total\":20},\"swapUsed\":7,\"temperature\":"

static void sample_is_a_metrics_frame_without_id(void **state)
{
    buf out = {0};
    struct host_sample s = sample();
    frame_sample(&out, &s);
    assert_frame(&out, "{\"type\":\"metrics\",\"data\":{" VALUES
                       "null,\"timestamp\":\"2025-07-16T21:30:00.000Z\"}}");
    s.has_temperature = true;
    s.temperature_c = 41.56;
    s.load1 = NAN;
    s.cpu_percent = 0;
    frame_sample(&out, &s);
    buf_append_byte(&out, 0);
    assert_non_null(strstr((const char *)out.ptr, "\"temperature\":41.6,"));
    assert_non_null(strstr((const char *)out.ptr, "\"load\":0,"));
    buf_deinit(&out);
}

static void row_has_its_id_outside_and_its_key_and_processes_inside(void **state)
{
    buf data = {0}, out = {0};
    struct host_sample s = sample();
    struct host_top top = {.count = 1,
                           .processes = {{.pid = 7, .cpu_percent = 150.004, .memory_percent = 1.5,
                                          .name = "a\"b", .user = "root", .command = "a -x"}}};
    frame_row_data(&data, &s, &top);
    frame_row(&out, 42, buf_span(&data));
    assert_frame(&out,
                 "{\"type\":\"metrics\",\"id\":42,\"data\":{" VALUES
                 "null,\"timestamp\":\"2025-07-16T21:30:00.000Z\",\"row\":true,"
                 "\"recordedAt\":\"2025-07-16T21:30:00.000Z\",\"top_processes\":[{\"pid\":7,"
                 "\"name\":\"a\\\"b\",\"cpu\":150,\"mem\":1.5,\"user\":\"root\","
                 "\"command\":\"a -x\"}]}}");
    buf_deinit(&data);
}

static void state_shows_what_is_unknown_as_null(void **state)
{
    buf out = {0};
    struct host_state *s = mem_calloc(1, sizeof *s);
    struct host_top top = {0};
    memcpy(s->os, "Test", 5);
    memcpy(s->architecture, "x86_64", 7);
    s->uptime_s = 99;
    s->cpu_count = 2;
    s->interface_count = 2;
    s->interfaces[0] = (struct host_interface){
        .name = "eth0", .mac = "02:00:00:00:00:01", .up = true, .speed_mbps = 1000,
        .rx_bytes = 1, .tx_bytes = 2, .rx_errors = 3, .tx_errors = 4, .address_count = 2,
        .addresses = {"192.0.2.7/24", "fe80::1/64"}};
    s->interfaces[1] = (struct host_interface){.name = "tun0", .speed_mbps = -1};
    frame_state(&out, 3, s, &top);
    assert_frame(&out,
                 "{\"type\":\"state\",\"id\":3,\"data\":{\"os\":\"Test\","
                 "\"architecture\":\"x86_64\",\"uptime\":99,\"hostname\":null,"
                 "\"ipAddress\":null,\"macAddress\":null,\"cpuCores\":2,"
                 "\"agentVersion\":\"" SIGNALBOX_VERSION "\",\"interfaces\":[{\"name\":\"eth0\","
                 "\"mac\":\"02:00:00:00:00:01\",\"addresses\":[\"192.0.2.7/24\",\"fe80::1/64\"],"
                 "\"up\":true,\"speedMbps\":1000,\"rxBytes\":1,\"txBytes\":2,\"rxErrors\":3,"
                 "\"txErrors\":4},{\"name\":\"tun0\",\"mac\":null,\"addresses\":[],\"up\":false,"
                 "\"speedMbps\":null,\"rxBytes\":0,\"txBytes\":0,\"rxErrors\":0,\"txErrors\":0}],"
                 "\"top_processes\":[]}}");
    mem_free(s);
}

static void register_heartbeat_and_refusal_have_their_members(void **state)
{
    buf out = {0};
    frame_register(&out, 1);
    assert_frame(&out, "{\"type\":\"register\",\"id\":1,\"data\":{\"capabilities\":"
                       "[\"host-metrics\"],\"agentVersion\":\"" SIGNALBOX_VERSION "\"}}");
    frame_heartbeat(&out, AT);
    assert_frame(&out, "{\"type\":\"heartbeat\",\"data\":{\"timestamp\":"
                       "\"2025-07-16T21:30:00.000Z\"}}");
    frame_command_refused(&out, SPAN("\"r-1\""), AT);
    assert_frame(&out, "{\"type\":\"command:response\",\"data\":{\"requestId\":\"r-1\","
                       "\"status\":\"error\",\"error\":{\"code\":\"UNSUPPORTED\",\"message\":"
                       "\"the host agent takes no commands\"},\"timestamp\":"
                       "\"2025-07-16T21:30:00.000Z\"}}");
}

static void the_largest_frames_fit_the_wire(void **state)
{
    buf out = {0}, data = {0};
    struct host_state *s = mem_calloc(1, sizeof *s);
    struct host_top top = {.count = HOST_TOP_MAX};
    struct host_sample row = sample();
    s->interface_count = HOST_INTERFACES_MAX;
    for (unsigned i = 0; i < HOST_INTERFACES_MAX; i++) {
        struct host_interface *f = &s->interfaces[i];
        memset(f->name, 'n', sizeof f->name - 1);
        f->address_count = HOST_ADDRESSES_MAX;
        for (unsigned k = 0; k < HOST_ADDRESSES_MAX; k++) {
            memset(f->addresses[k], 'f', HOST_ADDRESS_TEXT - 1);
        }
    }
    for (unsigned i = 0; i < HOST_TOP_MAX; i++) {
        memset(top.processes[i].name, '"', HOST_PROCESS_NAME_MAX);
        memset(top.processes[i].command, '\\', HOST_COMMAND_BYTES_MAX);
        memset(top.processes[i].user, 'u', HOST_USER_NAME_MAX);
    }
    frame_state(&out, UINT64_MAX, s, &top);
    assert_true(out.len < 256 * 1024);
    frame_row_data(&data, &row, &top);
    assert_true(data.len < 16 * 1024);
    buf_deinit(&out);
    buf_deinit(&data);
    mem_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sample_is_a_metrics_frame_without_id),
        cmocka_unit_test(row_has_its_id_outside_and_its_key_and_processes_inside),
        cmocka_unit_test(state_shows_what_is_unknown_as_null),
        cmocka_unit_test(register_heartbeat_and_refusal_have_their_members),
        cmocka_unit_test(the_largest_frames_fit_the_wire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
