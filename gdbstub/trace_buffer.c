#include "gdbstub/trace_buffer.h"

#include "hv/compiler.h"
#include "lib/string.h"

/* A frame begins with the tracepoint's number and the size of what follows; little-endian. */
struct HV_PACKED head {
    uint16_t point;
    uint32_t size;
};

void trace_buffer_clear(struct trace_buffer *buffer)
{
    buffer->used = buffer->end = 0;
    buffer->frames = 0;
    buffer->created = 0;
}

static struct head head_at(const struct trace_buffer *buffer, size_t at)
{
    struct head head;

    memcpy(&head, buffer->bytes + at, sizeof(head));
    return head;
}

/* The oldest frames go, an eighth of the buffer at once, until there is room for size bytes. */
static bool make_room(struct trace_buffer *buffer, size_t size)
{
    size_t gone = 0;

    while (gone < buffer->used &&
           (buffer->size - buffer->end + gone < size || gone < buffer->size / 8)) {
        gone += sizeof(struct head) + head_at(buffer, gone).size;
        buffer->frames--;
    }
    memmove(buffer->bytes, buffer->bytes + gone, buffer->end - gone);
    buffer->used -= gone;
    buffer->end -= gone;
    return buffer->size - buffer->end >= size;
}

/* The next size bytes of the frame being made. */
static uint8_t *take(struct trace_buffer *buffer, size_t size)
{
    uint8_t *taken;

    if (buffer->size - buffer->end < size && !(buffer->circular && make_room(buffer, size)))
        return NULL;
    taken = buffer->bytes + buffer->end;
    buffer->end += size;
    return taken;
}

bool trace_frame_begin(struct trace_buffer *buffer, unsigned point)
{
    struct head head = {.point = (uint16_t)point};
    uint8_t *at;

    buffer->end = buffer->used;
    at = take(buffer, sizeof(head));
    if (at)
        memcpy(at, &head, sizeof(head));
    return at != NULL;
}

uint8_t *trace_add_registers(struct trace_buffer *buffer)
{
    uint8_t *at = take(buffer, 1 + TRACE_REGISTERS);

    if (!at)
        return NULL;
    *at = 'R';
    return at + 1;
}

uint8_t *trace_add_memory(struct trace_buffer *buffer, gva_t address, size_t size)
{
    uint16_t length = (uint16_t)size;
    uint8_t *at = take(buffer, 1 + sizeof(address) + sizeof(length) + size);

    if (!at)
        return NULL;
    *at++ = 'M';
    memcpy(at, &address, sizeof(address));
    memcpy(at + sizeof(address), &length, sizeof(length));
    return at + sizeof(address) + sizeof(length);
}

bool trace_add_variable(struct trace_buffer *buffer, uint32_t number, uint64_t value)
{
    uint8_t *at = take(buffer, 1 + sizeof(number) + sizeof(value));

    if (!at)
        return false;
    *at++ = 'V';
    memcpy(at, &number, sizeof(number));
    memcpy(at + sizeof(number), &value, sizeof(value));
    return true;
}

void trace_frame_end(struct trace_buffer *buffer)
{
    struct head head = head_at(buffer, buffer->used);

    head.size = (uint32_t)(buffer->end - buffer->used - sizeof(head));
    memcpy(buffer->bytes + buffer->used, &head, sizeof(head));
    buffer->used = buffer->end;
    buffer->frames++;
    buffer->created++;
}

bool trace_frame_get(const struct trace_buffer *buffer, unsigned number, struct trace_frame *frame)
{
    size_t at = 0;

    if (number >= buffer->frames)
        return false;
    for (unsigned i = 0; i < number; i++)
        at += sizeof(struct head) + head_at(buffer, at).size;
    *frame =
        (struct trace_frame){number, head_at(buffer, at).point,
                             buffer->bytes + at + sizeof(struct head), head_at(buffer, at).size};
    return true;
}

bool trace_block_next(const struct trace_frame *frame, size_t *at, struct trace_block *block)
{
    const uint8_t *p = frame->blocks + *at;
    uint16_t length;

    if (*at >= frame->size)
        return false;
    *block = (struct trace_block){.kind = (char)*p++};
    switch (block->kind) {
    case 'M':
        memcpy(&block->address, p, sizeof(block->address));
        memcpy(&length, p + sizeof(block->address), sizeof(length));
        block->data = p + sizeof(block->address) + sizeof(length);
        block->size = length;
        break;
    case 'V':
        memcpy(&block->variable, p, sizeof(block->variable));
        block->data = p + sizeof(block->variable);
        block->size = sizeof(uint64_t);
        break;
    default: /* 'R' */
        block->data = p;
        block->size = TRACE_REGISTERS;
        break;
    }
    *at = (size_t)(block->data + block->size - frame->blocks);
    return true;
}
