"""What of libpulse is used: its declarations, its numbers, and the opened library.

Owns: `library()`. Must not know: streams, devices, calls. PulseAudio and PipeWire speak the same protocol, and libpulse
is the one library for both. Layouts are its stable interface (pulse/def.h, sample.h, channelmap.h, volume.h,
introspect.h); of the structures that the library hands out only the beginning is declared,
and those of a sink and of a source are alike that far.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

import cffi

CONTEXT_READY, CONTEXT_FAILED, CONTEXT_TERMINATED = 4, 5, 6
STREAM_READY, STREAM_FAILED, STREAM_TERMINATED = 2, 3, 4
OPERATION_RUNNING = 0
NO_AUTOSPAWN = 0x1
ADJUST_LATENCY, EARLY_REQUESTS = 0x2000, 0x4000
SAMPLE_S16NE = 3 if sys.byteorder == "little" else 4
WATCH_SINKS, WATCH_SOURCES, WATCH_SERVER = 0x1, 0x2, 0x80
NO_INDEX = 0xFFFF_FFFF
AS_THE_SERVER_LIKES = 0xFFFF_FFFF  # in a buffer's attributes

_DECLARATIONS = """
typedef struct pa_threaded_mainloop pa_threaded_mainloop;
typedef struct pa_mainloop_api pa_mainloop_api;
typedef struct pa_context pa_context;
typedef struct pa_stream pa_stream;
typedef struct pa_operation pa_operation;
typedef struct pa_proplist pa_proplist;
typedef struct { int format; uint32_t rate; uint8_t channels; } pa_sample_spec;
typedef struct { uint8_t channels; int map[32]; } pa_channel_map;
typedef struct { uint8_t channels; uint32_t values[32]; } pa_cvolume;
typedef struct { uint32_t maxlength, tlength, prebuf, minreq, fragsize; } pa_buffer_attr;
typedef struct { const char *name, *description; } pa_port_info;
typedef struct {
    const char *name; uint32_t index; const char *description;
    pa_sample_spec sample_spec; pa_channel_map channel_map;
    uint32_t owner_module; pa_cvolume volume; int mute; uint32_t monitor; const char *monitor_name;
    uint64_t latency; const char *driver; int flags; pa_proplist *proplist;
    uint64_t configured_latency; uint32_t base_volume; int state; uint32_t n_volume_steps, card, n_ports;
    pa_port_info **ports, *active_port;
} pa_device_info;
typedef struct {
    const char *user_name, *host_name, *server_version, *server_name;
    pa_sample_spec sample_spec; const char *default_sink_name, *default_source_name;
} pa_server_info;
typedef void (*pa_notify)(void *, void *);
typedef void (*pa_subscribed)(pa_context *, int event, uint32_t index, void *);
typedef void (*pa_devices)(pa_context *, const pa_device_info *, int eol, void *);
typedef void (*pa_server)(pa_context *, const pa_server_info *, void *);

pa_threaded_mainloop *pa_threaded_mainloop_new(void);
void pa_threaded_mainloop_free(pa_threaded_mainloop *);
int pa_threaded_mainloop_start(pa_threaded_mainloop *);
void pa_threaded_mainloop_stop(pa_threaded_mainloop *);
void pa_threaded_mainloop_lock(pa_threaded_mainloop *);
void pa_threaded_mainloop_unlock(pa_threaded_mainloop *);
pa_mainloop_api *pa_threaded_mainloop_get_api(pa_threaded_mainloop *);

pa_proplist *pa_proplist_new(void);
int pa_proplist_sets(pa_proplist *, const char *key, const char *value);
const char *pa_proplist_gets(const pa_proplist *, const char *key);
void pa_proplist_free(pa_proplist *);

pa_context *pa_context_new_with_proplist(pa_mainloop_api *, const char *name, const pa_proplist *);
void pa_context_unref(pa_context *);
int pa_context_connect(pa_context *, const char *server, int flags, const void *spawn);
void pa_context_disconnect(pa_context *);
int pa_context_get_state(const pa_context *);
int pa_context_errno(const pa_context *);
const char *pa_strerror(int);
void pa_context_set_state_callback(pa_context *, pa_notify, void *);
void pa_context_set_subscribe_callback(pa_context *, pa_subscribed, void *);
pa_operation *pa_context_subscribe(pa_context *, int mask, void *done, void *);
pa_operation *pa_context_get_sink_info_list(pa_context *, pa_devices, void *);
pa_operation *pa_context_get_source_info_list(pa_context *, pa_devices, void *);
pa_operation *pa_context_get_server_info(pa_context *, pa_server, void *);
void pa_operation_unref(pa_operation *);
int pa_operation_get_state(const pa_operation *);
void pa_operation_cancel(pa_operation *);

pa_stream *pa_stream_new(pa_context *, const char *name, const pa_sample_spec *, const pa_channel_map *);
void pa_stream_unref(pa_stream *);
int pa_stream_get_state(const pa_stream *);
const char *pa_stream_get_device_name(const pa_stream *);
int pa_stream_connect_playback(
    pa_stream *, const char *device, const pa_buffer_attr *, int flags, const void *volume, pa_stream *sync);
int pa_stream_connect_record(pa_stream *, const char *device, const pa_buffer_attr *, int flags);
int pa_stream_disconnect(pa_stream *);
int pa_stream_write(pa_stream *, const void *data, size_t octets, void *free, int64_t offset, int seek);
int pa_stream_peek(pa_stream *, const void **data, size_t *octets);
int pa_stream_drop(pa_stream *);
size_t pa_stream_writable_size(const pa_stream *);
size_t pa_stream_readable_size(const pa_stream *);
int64_t pa_stream_get_underflow_index(const pa_stream *);
const pa_buffer_attr *pa_stream_get_buffer_attr(pa_stream *);
pa_operation *pa_stream_set_buffer_attr(pa_stream *, const pa_buffer_attr *, void *done, void *);
"""


@functools.cache
def declarations() -> Any:
    ffi = cffi.FFI()
    ffi.cdef(_DECLARATIONS)
    return ffi


@functools.cache
def library() -> Any | None:
    """libpulse, opened once; None on a machine without it, and on systems that have another sound system."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return declarations().dlopen("libpulse.so.0")
    except OSError:
        return None
