// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The extension field 0xF323; see mono-root.h. Behind type and length: a magic number, root delay and
 * dispersion in 2^-28 s, the receive timestamp, the epoch. */

#include "core/ntp/mono-root.h"

#include <math.h>

#include "base/bytes.h"

#define MONO_ROOT_TYPE  0xf323
#define MONO_ROOT_MAGIC UINT32_C(0xf5bedd9a)
#define BODY_SIZE       (MONO_ROOT_SIZE - 4)
#define FRACTION        0x1p28
/* A larger correction is none: something else has happened. */
#define SHIFT_MAX       (16 * NSEC_PER_SEC)

NtpTime mono_root_time(NtpTime time, int64_t corrected)
{
    int64_t seconds = corrected / NSEC_PER_SEC, rest = corrected % NSEC_PER_SEC;

    if (time.value == 0)
        return time;
    return (NtpTime) {time.value - ((uint64_t) seconds << 32) -
                      (uint64_t) (rest * (INT64_C(1) << 32) / NSEC_PER_SEC)};
}

/* Rounded up: a delay or dispersion must not look better than it is. */
static uint32_t fine_from_seconds(double seconds)
{
    if (!(seconds > 0))
        return 0;
    return seconds >= 16.0 - 1 / FRACTION ? UINT32_MAX : (uint32_t) ceil(seconds * FRACTION);
}

void mono_root_write(const MonoRoot *field, uint8_t ret[static MONO_ROOT_SIZE])
{
    ByteWriter writer = byte_writer(ret, MONO_ROOT_SIZE);

    byte_writer_u16(&writer, MONO_ROOT_TYPE);
    byte_writer_u16(&writer, MONO_ROOT_SIZE);
    byte_writer_u32(&writer, MONO_ROOT_MAGIC);
    byte_writer_u32(&writer, fine_from_seconds(field->root_delay));
    byte_writer_u32(&writer, fine_from_seconds(field->root_dispersion));
    byte_writer_u64(&writer, field->receive.value);
    byte_writer_u32(&writer, field->epoch);
}

static bool read_body(const NtpExtension *extension, MonoRoot *ret)
{
    ByteReader reader = byte_reader(extension->body, extension->length);

    if (extension->type != MONO_ROOT_TYPE || extension->length != BODY_SIZE ||
        byte_reader_u32(&reader) != MONO_ROOT_MAGIC)
        return false;
    ret->root_delay = byte_reader_u32(&reader) / FRACTION;
    ret->root_dispersion = byte_reader_u32(&reader) / FRACTION;
    ret->receive.value = byte_reader_u64(&reader);
    ret->epoch = byte_reader_u32(&reader);
    return true;
}

bool mono_root_find(const NtpPacket *packet, MonoRoot *ret)
{
    NtpExtension extension;
    size_t position = 0;

    while (ntp_packet_next_extension(packet, &position, &extension))
        if (read_body(&extension, ret))
            return true;
    return false;
}

/* The difference of two timestamps that are less than 68 years apart, in 2^-32 s. */
static int64_t elapsed(NtpTime from, NtpTime to)
{
    return (int64_t) (to.value - from.value);
}

int64_t mono_clock_on_answer(MonoClock *clock, NtpTime receive, const MonoRoot *field)
{
    MonoClock before = *clock;

    *clock = (MonoClock) {.known = field->receive.value != 0, .receive = receive, .field = *field};
    if (!before.known || !clock->known || before.field.epoch != field->epoch)
        return 0;
    uint64_t corrected = (uint64_t) elapsed(before.receive, receive) -
                         (uint64_t) elapsed(before.field.receive, field->receive);
    double seconds = (double) (int64_t) corrected * 0x1p-32;
    int64_t ns = ns_from_seconds(seconds);
    return ns >= -SHIFT_MAX && ns <= SHIFT_MAX ? ns : 0;
}
