/* Settings as what the layers below take: the domain's, the wires', the network's limits. */
#include "app/process.h"

#include "base/assert.h"

#define DAY_S 86400

static void chat_conf(const struct config *c, struct domain_conf *out)
{
    out->chat_batch_messages_max = (unsigned)config_int(c, CONFIG_chat_batch_messages_max);
    out->chat_batch_bytes_max = (size_t)config_int(c, CONFIG_chat_batch_bytes_max);
    out->chat_room_waiting_max = (unsigned)config_int(c, CONFIG_chat_room_waiting_max);
    out->chat_waiting_bytes_max = (uint64_t)config_int(c, CONFIG_chat_waiting_bytes_max);
    out->chat_room_members_max = (unsigned)config_int(c, CONFIG_chat_room_members_max);
    out->chat_rooms_max = (unsigned)config_int(c, CONFIG_chat_rooms_max);
    out->chat_rooms_owned_max = (unsigned)config_int(c, CONFIG_chat_rooms_owned_max);
    out->chat_receipts_members_max = (unsigned)config_int(c, CONFIG_chat_receipts_members_max);
    out->chat_file_bytes_max = (uint64_t)config_int(c, CONFIG_chat_file_bytes_max);
    out->chat_files_bytes_max = config_int(c, CONFIG_chat_files_mb) * 1000000;
    out->chat_transfers_max = (unsigned)config_int(c, CONFIG_chat_transfers_max);
    out->chat_upload_s = config_int(c, CONFIG_chat_upload_s);
    out->chat_scan_retry_ms = config_int(c, CONFIG_chat_scan_retry_ms);
    out->chat_robots_max = (unsigned)config_int(c, CONFIG_chat_robots_max);
    out->chat_robot_timeout_ms = (uint32_t)config_int(c, CONFIG_chat_robot_timeout_ms);
    out->chat_robot_jobs_max = (unsigned)config_int(c, CONFIG_chat_robot_jobs_max);
    out->chat_robot_room_jobs_max = (unsigned)config_int(c, CONFIG_chat_robot_room_jobs_max);
    out->chat_robot_context = (unsigned)config_int(c, CONFIG_chat_robot_context);
    out->chat_robot_answer_bytes_max = (uint32_t)config_int(c, CONFIG_chat_robot_answer_bytes_max);
    out->chat_edit_window_s = config_int(c, CONFIG_chat_edit_window_s);
    out->chat_typing_ms = config_int(c, CONFIG_chat_typing_ms);
    out->chat_presence_grace_ms = config_int(c, CONFIG_chat_presence_grace_ms);
    out->chat_tier_ms[0] = config_int(c, CONFIG_chat_escalation_t1_ms);
    out->chat_tier_ms[1] = config_int(c, CONFIG_chat_escalation_t2_ms);
    out->chat_tier_ms[2] = config_int(c, CONFIG_chat_escalation_t3_ms);
    out->chat_alone_ms = config_int(c, CONFIG_chat_alone_ms);
    out->chat_alone_queue_ms = config_int(c, CONFIG_chat_alone_queue_ms);
    out->chat_guest_ms = config_int(c, CONFIG_chat_guest_ms);
    out->chat_guests_max = (unsigned)config_int(c, CONFIG_chat_guests_max);
    out->chat_guest_keep_ms = config_int(c, CONFIG_chat_guest_keep_ms);
    out->chat_sweep_ms = config_int(c, CONFIG_chat_sweep_ms);
}

void process_domain_conf(const struct config *c, struct domain_conf *out)
{
    uint32_t issuer_roles;
    bool known = settings_roles(config_str(c, CONFIG_jwt_issuer_roles), &issuer_roles);
    ASSERT(known); /* settings_check */
    *out = (struct domain_conf){
        .issuer_roles = issuer_roles,
        .auth_anonymous_loopback = config_int(c, CONFIG_auth_anonymous) == 0,
        .token_access_s = config_int(c, CONFIG_token_access_s),
        .token_refresh_s = config_int(c, CONFIG_token_refresh_s),
        .session_s = config_int(c, CONFIG_session_s),
        .connections_per_principal_max =
            (uint32_t)config_int(c, CONFIG_connections_per_principal_max),
        .device_stale_s = (uint32_t)config_int(c, CONFIG_device_stale_s),
        .device_gone_s = (uint32_t)config_int(c, CONFIG_device_gone_s),
        .viewers_per_device_max = (uint32_t)config_int(c, CONFIG_viewers_per_device_max),
        .telemetry_after_commit = config_int(c, CONFIG_telemetry_publish) != 0,
        .telemetry_per_s = (uint32_t)config_int(c, CONFIG_telemetry_per_s),
        .telemetry_burst = (uint32_t)config_int(c, CONFIG_telemetry_burst),
        .telemetry_sensors_max = (uint32_t)config_int(c, CONFIG_telemetry_sensors_max),
        .connection_log_clients = config_int(c, CONFIG_connection_log_clients) != 0,
        .retention_raw_s = config_int(c, CONFIG_retention_raw_days) * DAY_S,
        .retention_minute_s = config_int(c, CONFIG_retention_minute_days) * DAY_S,
        .retention_hour_s = config_int(c, CONFIG_retention_hour_days) * DAY_S,
        .retention_log_s = config_int(c, CONFIG_retention_log_days) * DAY_S,
        .retention_history_s = config_int(c, CONFIG_retention_history_days) * DAY_S,
        .home_rooms_max = (unsigned)config_int(c, CONFIG_home_rooms_max),
        .home_entities_max = (unsigned)config_int(c, CONFIG_home_entities_max),
        .home_scenes_max = (unsigned)config_int(c, CONFIG_home_scenes_max),
        .retention_events_s = config_int(c, CONFIG_retention_events_hours) * 3600,
        .events_max = config_int(c, CONFIG_events_max),
        .disk_budget_bytes = config_int(c, CONFIG_disk_budget_mb) * 1000000,
        .recovery_ms = config_int(c, CONFIG_recovery_ms),
        .recovery_bytes_max = (uint64_t)config_int(c, CONFIG_recovery_mb) * 1000000,
        .timezone = config_str(c, CONFIG_timezone),
        .app_receiver = process_receiver(c, CONFIG_app_webhook_url),
        .home_receiver = process_receiver(c, CONFIG_home_webhook_url),
    };
    chat_conf(c, out);
}

/* Places among the choices of their rows (tables/config.def). */
enum { CONFORMANCE_CLIENTS = 2, TRANSPORTS_NO_POLLING = 1, TRANSPORTS_NO_WEBSOCKET = 2 };

static struct eio_conf engineio_conf(const struct config *c)
{
    int64_t transports = config_int(c, CONFIG_engineio_transports);
    int64_t payload = config_int(c, CONFIG_engineio_max_payload_bytes);
    int64_t body = config_int(c, CONFIG_http_body_bytes_max); /* bounds each request */
    return (struct eio_conf){
        .ping_interval_ms = (uint32_t)config_int(c, CONFIG_engineio_ping_interval_ms),
        .ping_timeout_ms = (uint32_t)config_int(c, CONFIG_engineio_ping_timeout_ms),
        .connect_timeout_ms = (uint32_t)config_int(c, CONFIG_engineio_connect_timeout_ms),
        .upgrade_timeout_ms = (uint32_t)config_int(c, CONFIG_engineio_upgrade_timeout_ms),
        .max_payload_bytes = (uint32_t)(payload < body ? payload : body),
        .http_compression_bytes_min =
            (uint32_t)config_int(c, CONFIG_engineio_http_compression_bytes_min),
        .no_polling = transports == TRANSPORTS_NO_POLLING,
        .no_websocket = transports == TRANSPORTS_NO_WEBSOCKET,
        .v3 = config_int(c, CONFIG_engineio_v3) != 0,
        .cookie = config_str(c, CONFIG_engineio_cookie),
    };
}

static struct chat_wire_conf chat_wire_conf(const struct config *c)
{
    return (struct chat_wire_conf){
        .messages_per_s = (uint32_t)config_int(c, CONFIG_chat_messages_per_s),
        .messages_burst = (uint32_t)config_int(c, CONFIG_chat_messages_burst),
        .guest_per_s = (uint32_t)config_int(c, CONFIG_chat_guest_messages_per_s),
        .guest_burst = (uint32_t)config_int(c, CONFIG_chat_guest_messages_burst),
        .typing_every_ms = (uint32_t)config_int(c, CONFIG_chat_typing_every_ms),
        .joins_per_min = (uint32_t)config_int(c, CONFIG_chat_joins_per_min),
    };
}

static struct home_wire_conf home_wire_conf(const struct config *c)
{
    return (struct home_wire_conf){
        .message_bytes_max = (uint32_t)config_int(c, CONFIG_home_message_bytes_max),
        .ping_ms = (uint32_t)config_int(c, CONFIG_home_ping_ms),
        .idle_ms = (uint32_t)config_int(c, CONFIG_home_idle_ms),
        .write_ms = (uint32_t)config_int(c, CONFIG_home_write_ms),
        .queue_max = (uint32_t)config_int(c, CONFIG_home_queue_max),
        .subscriptions_max = (uint32_t)config_int(c, CONFIG_home_subscriptions_max),
        .heartbeat_ms = (uint32_t)config_int(c, CONFIG_home_heartbeat_ms),
        .status_ms = (uint32_t)config_int(c, CONFIG_home_status_ms),
        .broadcasts_per_min = (uint32_t)config_int(c, CONFIG_home_broadcasts_per_min),
        .custom_types = config_str(c, CONFIG_home_custom_types),
    };
}

void process_limits(const struct config *c, struct net_limits *out, struct edge_conf *edge)
{
    bool outside = config_int(c, CONFIG_conformance) != 0;
    struct trust trusted;
    span bad;
    bool proxies = trust_parse(span_str(config_str(c, CONFIG_trusted_proxies)), &trusted, &bad);
    ASSERT(proxies); /* settings_check */
    *out = (struct net_limits){
        .trusted = trusted,
        .connections_max = (uint32_t)config_int(c, CONFIG_connections_max),
        .per_address_max =
            outside ? 0 : (uint32_t)config_int(c, CONFIG_connections_per_address_max),
        .handshakes_per_s = outside ? 0 : (uint32_t)config_int(c, CONFIG_handshakes_per_s),
        .tls_handshake_ms = (uint32_t)config_int(c, CONFIG_tls_handshake_timeout_ms),
        .http_header_ms = (uint32_t)config_int(c, CONFIG_http_header_timeout_ms),
        .http_body_ms = (uint32_t)config_int(c, CONFIG_http_body_timeout_ms),
        .http_idle_ms = (uint32_t)config_int(c, CONFIG_http_idle_timeout_ms),
        .http_header_bytes_max = (uint32_t)config_int(c, CONFIG_http_header_bytes_max),
        .http_body_bytes_max = (uint32_t)config_int(c, CONFIG_http_body_bytes_max),
        .sse_heartbeat_ms = (uint32_t)config_int(c, CONFIG_sse_heartbeat_ms),
        .close_wait_ms = (uint32_t)config_int(c, CONFIG_close_wait_ms),
        .ws_deflate = config_int(c, CONFIG_ws_deflate) != 0,
        .ws_deflate_bytes_min = (uint32_t)config_int(c, CONFIG_ws_deflate_bytes_min),
        .ws_deflate_window_bits = (uint8_t)config_int(c, CONFIG_ws_deflate_window_bits),
    };
    *edge = (struct edge_conf){
        .conformance = outside,
        .conformance_clients = config_int(c, CONFIG_conformance) == CONFORMANCE_CLIENTS,
        .anonymous_loopback = config_int(c, CONFIG_auth_anonymous) == 0,
        .allowed_origins = config_str(c, CONFIG_allowed_origins),
        .public_hosts = config_str(c, CONFIG_public_hosts),
        .hsts_s = (uint32_t)config_int(c, CONFIG_tls_hsts_s),
        .ws_message_bytes_max = (uint32_t)config_int(c, CONFIG_ws_message_bytes_max),
        .ws_fragments_max = (uint32_t)config_int(c, CONFIG_ws_fragments_max),
        .outbox_messages_max = (uint32_t)config_int(c, CONFIG_outbox_messages_max),
        .outbox_bytes_max = (uint32_t)config_int(c, CONFIG_outbox_bytes_max),
        .flush_us = (uint32_t)config_int(c, CONFIG_flush_us),
        .sio_namespaces_max = (uint32_t)config_int(c, CONFIG_sio_namespaces_max),
        .sio_acks_max = (uint32_t)config_int(c, CONFIG_sio_acks_max),
        .sio_rooms_max = (uint32_t)config_int(c, CONFIG_sio_rooms_max),
        .eio = engineio_conf(c),
        .home = home_wire_conf(c),
        .chat = chat_wire_conf(c),
        .app_events = (unsigned)config_int(c, CONFIG_app_events),
        .app_event_bytes_max = (uint32_t)config_int(c, CONFIG_app_event_bytes_max),
        .app_namespaces = config_str(c, CONFIG_app_namespaces),
        .node = config_str(c, CONFIG_node),
        .app_webhook_connect = config_int(c, CONFIG_app_webhook_connect) != 0,
        .listeners = edge->listeners,
        .listener_count = edge->listener_count,
    };
}
