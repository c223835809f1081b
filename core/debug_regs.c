#include "core/debug_regs.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "hv/compiler.h"

#define DR7_FIELDS(i)  (0xfULL << (16 + (i)*4))
#define DR7_ENABLED(i) (DR7_L(i) | DR7_G(i))
#define DR6_WRITABLE   0xe00fULL
#define DR7_WRITABLE   0xffff23ffULL

static struct debug_slot user_slots[DEBUG_SLOTS];
static struct debug_merge merges[HV_MAX_CPUS];

static struct {
    gva_t addresses[DEBUG_SLOTS];
    unsigned count;
} loans[HV_MAX_CPUS];

static gva_t spares[DEBUG_SLOTS];
static unsigned spare_count;

static uint64_t size_code(uint8_t size)
{
    switch (size) {
    case 2:
        return 1;
    case 4:
        return 3;
    case 8:
        return 2;
    default:
        return 0;
    }
}

static void place_user(const struct debug_slot *slot, int index, unsigned live,
                       struct debug_merge *merge)
{
    merge->user_of[live] = index;
    merge->dr[live] = slot->address;
    merge->dr7 |=
        DR7_G(live) | DR7_GE | DR7_RW(live, slot->kind) | DR7_LEN(live, size_code(slot->size));
}

/* A live register for the next of the user's: free, else taken from the guest. -1: none left. */
static int find_place(struct debug_merge *merge)
{
    for (int i = 0; i < DEBUG_SLOTS; i++) {
        if (merge->user_of[i] < 0 && !(merge->guest_mask & HV_BIT(i)))
            return i;
    }
    for (int i = DEBUG_SLOTS - 1; i >= 0; i--) {
        if (merge->user_of[i] < 0) {
            merge->guest_mask &= ~(unsigned)HV_BIT(i);
            merge->guest_lost |= (unsigned)HV_BIT(i);
            merge->dr7 &= ~(DR7_FIELDS(i) | DR7_ENABLED(i));
            return i;
        }
    }
    return -1;
}

void debug_regs_merge(const struct hv_debug_regs *guest, const struct debug_slot *user,
                      bool keep_gd, struct debug_merge *merge)
{
    *merge = (struct debug_merge){.dr7 = guest->dr7, .user_of = {-1, -1, -1, -1}};
    if (!keep_gd)
        merge->dr7 &= ~DR7_GD;
    for (unsigned i = 0; i < DEBUG_SLOTS; i++) {
        merge->dr[i] = guest->dr[i];
        if (guest->dr7 & DR7_ENABLED(i))
            merge->guest_mask |= (unsigned)HV_BIT(i);
    }
    for (int i = 0; i < DEBUG_SLOTS; i++) {
        if (!user[i].used)
            continue;
        int live = find_place(merge);
        if (live < 0)
            break;
        merge->dr7 &= ~(DR7_FIELDS(live) | DR7_ENABLED(live));
        place_user(&user[i], i, (unsigned)live, merge);
    }
}

void debug_regs_set_user(unsigned slot, const struct debug_slot *value)
{
    user_slots[slot] = *value;
}

const struct debug_slot *debug_regs_user(unsigned slot)
{
    return &user_slots[slot];
}

/* Execute breakpoints in registers that are free, as many as there are: which ones. */
static unsigned place_spare(const gva_t *addresses, unsigned count, struct debug_merge *merge)
{
    unsigned taken = merge->guest_mask | merge->spare, placed = 0, next = 0;

    for (unsigned i = 0; i < DEBUG_SLOTS && next < count; i++) {
        if (merge->user_of[i] >= 0 || (taken & HV_BIT(i)))
            continue;
        placed |= (unsigned)HV_BIT(i);
        merge->dr[i] = addresses[next++];
        merge->dr7 = (merge->dr7 & ~DR7_FIELDS(i)) | DR7_G(i);
    }
    return placed;
}

static unsigned bits_in(unsigned mask)
{
    unsigned bits = 0;

    for (; mask; mask >>= 1)
        bits += mask & 1;
    return bits;
}

void debug_regs_set_spare(const gva_t *addresses, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        spares[i] = addresses[i];
    spare_count = count;
}

unsigned debug_regs_spares(const struct vcpu *v)
{
    return bits_in(merges[v->number].spare);
}

uint64_t debug_regs_spare_hits(const struct vcpu *v, uint64_t dr6)
{
    return dr6 & merges[v->number].spare;
}

bool debug_regs_lent(const struct vcpu *v)
{
    return bits_in(merges[v->number].lent) == loans[v->number].count;
}

bool debug_regs_lend(struct vcpu *v, const gva_t *addresses, unsigned count)
{
    loans[v->number].count = count <= DEBUG_SLOTS ? count : 0;
    for (unsigned i = 0; i < loans[v->number].count; i++)
        loans[v->number].addresses[i] = addresses[i];
    debug_regs_update(v);
    bool fit = count <= DEBUG_SLOTS && debug_regs_lent(v);
    if (!fit) {
        loans[v->number].count = 0;
        debug_regs_update(v);
    }
    return fit;
}

uint64_t debug_regs_lent_hits(const struct vcpu *v, uint64_t dr6)
{
    return dr6 & merges[v->number].lent;
}

void debug_regs_update(struct vcpu *v)
{
    struct debug_merge *merge = &merges[v->number];

    debug_regs_merge(&v->debug_regs, user_slots, !(v->traps & TRAP_DR_READS), merge);
    merge->spare = place_spare(spares, spare_count, merge);
    merge->lent = place_spare(loans[v->number].addresses, loans[v->number].count, merge);
    for (unsigned i = 0; i < DEBUG_SLOTS; i++)
        v->live_dr[i] = merge->dr[i];
    v->live_dr7 = merge->dr7;
    v->dr_dirty = true;
}

bool debug_regs_load(struct vcpu *v)
{
    if (!v->dr_dirty)
        return false;
    write_dr0(v->live_dr[0]);
    write_dr1(v->live_dr[1]);
    write_dr2(v->live_dr[2]);
    write_dr3(v->live_dr[3]);
    v->dr_dirty = false;
    return true;
}

unsigned debug_regs_user_hits(const struct vcpu *v, uint64_t dr6)
{
    unsigned hits = 0;

    for (unsigned i = 0; i < DEBUG_SLOTS; i++) {
        int slot = merges[v->number].user_of[i];
        if ((dr6 & DR6_B(i)) && slot >= 0)
            hits |= (unsigned)HV_BIT(slot);
    }
    return hits;
}

uint64_t debug_regs_guest_hits(const struct vcpu *v, uint64_t dr6)
{
    uint64_t hits =
        (dr6 & merges[v->number].guest_mask) | (dr6 & (DR6_BD | DR6_BT | DR6_BS | DR6_BLD));

    return hits ? hits | (dr6 & DR6_RTM) : 0; /* RTM says where, it is no cause */
}

/* CPUID.7: bus-lock detection, restricted transactional memory. */
static bool has_bus_lock(void)
{
    return cpuid(0, 0).eax >= 7 && (cpuid(7, 0).ecx & HV_BIT(24));
}

static bool has_rtm(void)
{
    return cpuid(0, 0).eax >= 7 && (cpuid(7, 0).ebx & HV_BIT(11));
}

uint64_t debug_regs_dr6(uint64_t value)
{
    uint64_t writable = DR6_WRITABLE | (has_bus_lock() ? DR6_BLD : 0) | (has_rtm() ? DR6_RTM : 0);

    return (value & writable) | (DR6_RESET & ~writable);
}

uint64_t debug_regs_dr7(uint64_t value)
{
    return (value & (DR7_WRITABLE | (has_rtm() ? DR7_RTM : 0))) | DR7_RESET;
}

/* SDM vol. 3, "Debug Status Register (DR6)": only B0-B3 go by themselves, and RTM comes back. */
void debug_regs_raise(struct vcpu *v, uint64_t causes)
{
    const uint64_t inverted = DR6_BLD | DR6_RTM;
    struct hv_debug_regs *r = &v->debug_regs;

    r->dr6 = (r->dr6 & ~0xfULL) | DR6_RTM | (causes & ~inverted);
    r->dr6 &= ~(causes & inverted);
    if (r->dr7 & DR7_GD) {
        r->dr7 &= ~DR7_GD; /* the processor clears it on delivery */
        debug_regs_update(v);
    }
    vcpu_raise(v, VECTOR_DB);
}

/* SDM vol. 3, "Debug Registers DR4 and DR5"; the upper halves of DR6 and DR7 must be zero. */
static bool allowed(struct vcpu *v, unsigned *number, bool write, uint64_t value)
{
    vcpu_need(v, REGS_CONTROL);
    if (*number == 4 || *number == 5) {
        if (v->regs.cr4 & CR4_DE) {
            vcpu_raise(v, VECTOR_UD);
            return false;
        }
        *number += 2;
    }
    if (vcpu_cpl(v) != 0) {
        vcpu_raise_error(v, VECTOR_GP, 0);
        return false;
    }
    if (v->debug_regs.dr7 & DR7_GD) {
        v->debug_regs.dr7 &= ~DR7_GD;
        v->debug_regs.dr6 |= DR6_BD;
        debug_regs_update(v);
        vcpu_raise(v, VECTOR_DB);
        return false;
    }
    if (write && *number >= 6 && value >> 32) {
        vcpu_raise_error(v, VECTOR_GP, 0);
        return false;
    }
    return true;
}

bool debug_regs_move(struct vcpu *v, unsigned number, bool write, uint64_t *value)
{
    struct hv_debug_regs *r = &v->debug_regs;

    if (!allowed(v, &number, write, *value))
        return false;
    uint64_t *dr = number < 4 ? &r->dr[number] : number == 6 ? &r->dr6 : &r->dr7;
    if (!write) {
        *value = *dr;
        return true;
    }
    if (number == 6)
        *dr = debug_regs_dr6(*value);
    else if (number == 7)
        *dr = debug_regs_dr7(*value);
    else
        *dr = *value;
    debug_regs_update(v);
    return true;
}

bool debug_regs_executed(const struct vcpu *v, gva_t address)
{
    for (unsigned i = 0; i < DEBUG_SLOTS; i++) {
        if ((v->live_dr7 & DR7_ENABLED(i)) && !(v->live_dr7 & DR7_RW(i, 3)) &&
            v->live_dr[i] == address)
            return true;
    }
    return false;
}

bool debug_regs_accessed(const struct vcpu *v, gva_t address, uint64_t size)
{
    static const uint8_t sizes[] = {1, 2, 8, 4};

    for (unsigned i = 0; i < DEBUG_SLOTS; i++) {
        uint64_t length = sizes[(v->live_dr7 & DR7_LEN(i, 3)) / DR7_LEN(i, 1)];
        gva_t from = HV_ALIGN_DOWN(v->live_dr[i], length);

        if ((v->live_dr7 & DR7_ENABLED(i)) && (v->live_dr7 & DR7_RW(i, 1)) &&
            from < address + size && address < from + length)
            return true;
    }
    return false;
}

uint64_t debug_regs_armed(const struct vcpu *v)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < DEBUG_SLOTS; i++) {
        if (v->live_dr7 & (DR7_L(i) | DR7_G(i)))
            bits |= DR6_B(i);
    }
    return bits;
}
