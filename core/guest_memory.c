#include "core/guest_memory.h"

#include "arch/x86/insn.h"
#include "arch/x86/physmem.h"
#include "arch/x86/registers.h"
#include "hv/compiler.h"
#include "lib/string.h"

static struct guest_memory_config config;
static bool devices_allowed;

void guest_memory_init(const struct guest_memory_config *c)
{
    config = *c;
    devices_allowed = false;
}

void guest_memory_allow_devices(bool allow)
{
    devices_allowed = allow;
}

bool guest_memory_devices_allowed(void)
{
    return devices_allowed;
}

bool guest_memory_is_self(gpa_t address)
{
    return address >= config.self_start && address - config.self_start < config.self_size;
}

/* How many of the bytes from address on are memory (0: it is something else). */
static size_t memory_span(gpa_t address, size_t size, bool write)
{
    for (unsigned i = 0; i < config.count; i++) {
        const struct guest_range *r = &config.ranges[i];
        if (address >= r->start && address < r->end && (!write || r->writable))
            return (size_t)HV_MIN((uint64_t)size, r->end - address);
    }
    return 0;
}

static size_t self_span(gpa_t address, size_t size)
{
    return (size_t)HV_MIN((uint64_t)size, config.self_start + config.self_size - address);
}

/* One access of a device register: 4 aligned bytes at once, else byte by byte. */
static size_t device_read(gpa_t address, uint8_t *buf, size_t size)
{
    if (size >= 4 && address % 4 == 0) {
        uint32_t value = mmio_read32((hpa_t)physmem_map(address));
        memcpy(buf, &value, 4);
        return 4;
    }
    *buf = mmio_read8((hpa_t)physmem_map(address));
    return 1;
}

static size_t device_write(gpa_t address, const uint8_t *buf, size_t size)
{
    if (size >= 4 && address % 4 == 0) {
        uint32_t value;
        memcpy(&value, buf, 4);
        mmio_write32((hpa_t)physmem_map(address), value);
        return 4;
    }
    mmio_write8((hpa_t)physmem_map(address), *buf);
    return 1;
}

static bool exists(gpa_t address)
{
    return !(address >> config.phys_bits);
}

static bool is_memory(gpa_t address, bool write)
{
    return exists(address) && !guest_memory_is_self(address) && memory_span(address, 1, write) == 1;
}

bool guest_phys_is_memory(gpa_t address)
{
    return is_memory(address, false);
}

bool guest_phys_is_ram(gpa_t address)
{
    return is_memory(address, true);
}

size_t guest_phys_read(gpa_t address, void *buf, size_t size)
{
    size_t done = 0;

    while (done < size && exists(address + done)) {
        uint8_t *to = (uint8_t *)buf + done;
        size_t n = memory_span(address + done, size - done, false);
        if (guest_memory_is_self(address + done)) {
            n = self_span(address + done, size - done);
            memset(to, 0, n);
        } else if (n) {
            physmem_read(address + done, to, n);
        } else if (devices_allowed) {
            n = device_read(address + done, to, size - done);
        } else {
            break;
        }
        done += n;
    }
    return done;
}

size_t guest_phys_write(gpa_t address, const void *buf, size_t size)
{
    size_t done = 0;

    while (done < size && exists(address + done) && !guest_memory_is_self(address + done)) {
        const uint8_t *from = (const uint8_t *)buf + done;
        size_t n = memory_span(address + done, size - done, true);
        if (n)
            physmem_write(address + done, from, n);
        else if (devices_allowed)
            n = device_write(address + done, from, size - done);
        else
            break;
        done += n;
    }
    return done;
}

bool guest_walk_read(uint64_t address, void *buf, size_t size)
{
    if (!exists(address) || memory_span(address, size, false) != size)
        return false;
    physmem_read(address, buf, size);
    return true;
}

struct x86_paging guest_paging(struct vcpu *v)
{
    vcpu_need(v, REGS_CONTROL);
    return (struct x86_paging){.cr0 = v->regs.cr0,
                               .cr3 = v->regs.cr3,
                               .cr4 = v->regs.cr4,
                               .efer = v->regs.efer,
                               .phys_bits = config.phys_bits};
}

bool guest_translate(struct vcpu *v, gva_t address, struct x86_translation *translation)
{
    struct x86_paging paging = guest_paging(v);

    return x86_walk(&paging, address, guest_walk_read, translation);
}

size_t guest_linear_part(struct vcpu *v, gva_t address, size_t size, gpa_t *gpa)
{
    struct x86_translation translation;

    if (!guest_translate(v, address, &translation))
        return 0;
    *gpa = translation.gpa;
    return HV_MIN(size, 4096 - (size_t)(address & 4095));
}

size_t guest_linear_read(struct vcpu *v, gva_t address, void *buf, size_t size)
{
    size_t done = 0;
    gpa_t gpa;

    while (done < size) {
        size_t part = guest_linear_part(v, address + done, size - done, &gpa);
        if (!part)
            break;
        size_t n = guest_phys_read(gpa, (uint8_t *)buf + done, part);
        done += n;
        if (n < part)
            break;
    }
    return done;
}

size_t guest_linear_write(struct vcpu *v, gva_t address, const void *buf, size_t size)
{
    size_t done = 0;
    gpa_t gpa;

    while (done < size) {
        size_t part = guest_linear_part(v, address + done, size - done, &gpa);
        if (!part)
            break;
        size_t n = guest_phys_write(gpa, (const uint8_t *)buf + done, part);
        done += n;
        if (n < part)
            break;
    }
    return done;
}
