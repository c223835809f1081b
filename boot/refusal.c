/* Refusals, and the checks that loaders share. */
#include "boot/refusal.h"

#include "lib/fmt.h"

bool refuse(struct refusal *refusal, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fmt_vprint(refusal->text, sizeof(refusal->text), format, args);
    va_end(args);
    return false;
}

bool ranges_overlap(uint64_t a_start, uint64_t a_end, uint64_t b_start, uint64_t b_end)
{
    return a_start < a_end && b_start < b_end && a_start < b_end && b_start < a_end;
}

bool memory_is_ram(const struct memory_map *map, uint64_t start, uint64_t end)
{
    return start < end && memory_map_ram_end(map, start) >= end;
}

bool require_ram(const struct memory_map *map, const struct memory_range *self, const char *what,
                 uint64_t start, uint64_t end, struct refusal *refusal)
{
    if (start >= end)
        return refuse(refusal, "%s is empty or wraps around (0x%llx..0x%llx)", what,
                      (unsigned long long)start, (unsigned long long)end);
    if (start < LOAD_FLOOR)
        return refuse(refusal, "%s at 0x%llx would overwrite the BIOS data below 0x1000", what,
                      (unsigned long long)start);
    if (end > LOAD_LIMIT)
        return refuse(refusal, "%s at 0x%llx..0x%llx does not lie below 4 GiB", what,
                      (unsigned long long)start, (unsigned long long)end);
    if (ranges_overlap(start, end, self->start, self->end))
        return refuse(refusal, "%s at 0x%llx..0x%llx overlaps gdbvisor's own memory 0x%llx..0x%llx",
                      what, (unsigned long long)start, (unsigned long long)end,
                      (unsigned long long)self->start, (unsigned long long)self->end);
    if (!memory_is_ram(map, start, end))
        return refuse(refusal, "%s at 0x%llx..0x%llx is outside of RAM (from 0x%llx on)", what,
                      (unsigned long long)start, (unsigned long long)end,
                      (unsigned long long)memory_map_ram_end(map, start));
    return true;
}
