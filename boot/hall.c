#include "boot/hall.h"

#include "arch/x86/descriptors.h"
#include "arch/x86/host_paging.h"
#include "arch/x86/insn.h"
#include "arch/x86/physmem.h"
#include "arch/x86/registers.h"
#include "arch/x86/traps.h"
#include "arch/x86/tsc.h"
#include "boot/backends.h"
#include "boot/bios/bios.h"
#include "boot/console.h"
#include "boot/gdb_uart.h"
#include "boot/guest_cpus.h"
#include "boot/load_guest.h"
#include "boot/options.h"
#include "boot/platform.h"
#include "boot/refuse_start.h"
#include "boot/relocate.h"
#include "core/backend.h"
#include "core/debug_regs.h"
#include "core/ioapic_guard.h"
#include "core/machine.h"
#include "core/mediate.h"
#include "debug/session.h"
#include "lib/fmt.h"
#include "lib/log.h"
#include "lib/string.h"

static struct boot_options options;
static struct memory_map guest_map;
static struct mtrr_values types;
static struct guest_memory_config guest_config;
static struct debug_config debug_config;

static void take_host(const struct boot_info *info)
{
    struct host_image image = {.base = info->self_start,
                               .size = image_size(),
                               .rodata = image_rodata_offset(),
                               .data = image_data_offset()};

    host_paging_build(&image);
    host_paging_load();
    descriptors_load(0);
    machine_catch_traps();
    traps_init_wait();
}

static void log_cpu(void)
{
    struct cpuid_result vendor = cpuid(0, 0), model = cpuid(1, 0);
    char brand[49] = "";

    if (cpuid(0x80000000, 0).eax >= 0x80000004) {
        for (unsigned i = 0; i < 3; i++) {
            struct cpuid_result r = cpuid(0x80000002 + i, 0);
            memcpy(brand + 16UL * i, &r, 16);
        }
    }
    const char *text = brand;
    while (*text == ' ')
        text++;
    log_print("cpu: %.4s%.4s%.4s %s, signature %x, %u address bits", (const char *)&vendor.ebx,
              (const char *)&vendor.edx, (const char *)&vendor.ecx, text, (unsigned)model.eax,
              platform_phys_bits());
}

static void read_options(const struct boot_info *info)
{
    struct boot_option_errors errors;
    bool good = boot_options_parse(info->options, info->module_count > 0, &options, &errors);

    console_open(&options.console, &info->screen);
    log_print("gdbvisor %s", HV_VERSION);
    log_cpu();
    log_print("options: %s", *info->options ? info->options : "(none)");
    if (good)
        return;
    unsigned shown = HV_MIN(errors.total, (unsigned)BOOT_OPTION_ERRORS_MAX);
    for (unsigned i = 0; i < shown; i++)
        log_print("gdbvisor: option %s", errors.text[i]);
    if (options.keep_going)
        return;
    gdb_uart_open(&options.gdb, &options.console);
    for (unsigned i = 0; i < shown; i++)
        gdb_uart_say(errors.text[i]);
    refuse_start("%u bad option%s, first: %s (keep-going starts all the same)", errors.total,
                 errors.total == 1 ? "" : "s", errors.text[0]);
}

static void choose_backend(void)
{
    const struct hv_backend *ours = backends_find();
    char text[128];

    if (!ours)
        refuse_start("this processor's maker builds neither AMD SVM nor Intel VT-x.");
    const char *reason = ours->present();
    if (reason)
        refuse_start("%s", reason);
    hv_backend = ours;
    hv_backend->describe(text, sizeof(text));
    log_print("virtualisation: %s, %s", hv_backend->name, text);
}

static void build_stage2(const struct boot_info *info)
{
    hpa_t pool = info->self_start + image_size();
    hpa_t end = info->self_start + info->self_size - options.trace; /* of the pool */
    struct stage2_config config = {.format = hv_backend->stage2,
                                   .phys_bits = platform_phys_bits(),
                                   .gib_pages = hv_backend->gib_pages(),
                                   .pool = pool,
                                   .pool_size = end > pool ? end - pool : 0};
    struct mediator self = {info->self_start, info->self_start + info->self_size, false, NULL,
                            NULL};

    mtrr_read(&types, platform_phys_bits());
    stage2_use_types(&types);
    if (stage2_init(&config) != HV_OK || mediate_add(&self) != HV_OK)
        refuse_start("the stage-2 tables do not fit in %llu KiB.",
                     (unsigned long long)(config.pool_size >> 10));
    debug_config.trace = options.trace ? physmem_map(end) : NULL;
    debug_config.trace_size = options.trace;
    log_print("memory: %llu KiB reserved at %llx: image %llu KiB, stage-2 tables %llu KiB, "
              "tracepoints %u KiB",
              (unsigned long long)(info->self_size >> 10), (unsigned long long)info->self_start,
              (unsigned long long)(image_size() >> 10), (unsigned long long)(stage2_used() >> 10),
              (unsigned)(options.trace >> 10));
}

/* Break-in: the UART's interrupt becomes an NMI. */
static void route_break_in(void)
{
    int irq = gdb_uart_irq();

    if (irq < 0) {
        log_print("uart: its interrupt is not known, Ctrl-C cannot break in");
        return;
    }
    struct irq_route route = platform_route((uint8_t)irq);
    struct ioapic_pin pin = {route.ioapic, route.pin, platform_apic_id()};
    if (ioapic_guard_init(&pin) != HV_OK)
        log_print("uart: no I/O APIC at %llx, Ctrl-C cannot break in",
                  (unsigned long long)route.ioapic);
}

static const struct debug_link *open_line(void)
{
    const struct debug_link *line = gdb_uart_open(&options.gdb, &options.console);
    char text[64];

    if (line) {
        gdb_uart_describe(text, sizeof(text));
        log_print("uart: %s", text);
    } else {
        log_print("uart: none (gdb=none)");
    }
    return line;
}

static void make_maps(const struct boot_info *info)
{
    uint64_t end = info->self_start + info->self_size;

    guest_map = info->map;
    if (memory_map_set(&guest_map, info->self_start, end, MEMORY_RESERVED) != HV_OK)
        refuse_start("the memory map has too many ranges to carve the reservation out.");
    guest_config.self_start = info->self_start;
    guest_config.self_size = info->self_size;
    guest_config.phys_bits = platform_phys_bits();
    platform_guest_ranges(&guest_map, &guest_config);
    guest_memory_init(&guest_config);
}

static void check_loader(const struct boot_info *info, enum hv_status map_status)
{
    if (map_status == HV_EINVAL)
        refuse_start("it was not loaded by a multiboot2 boot loader (GRUB's multiboot2 command).");
    if (*info->problem)
        refuse_start("%s", info->problem);
    if (map_status == HV_ENOSPC)
        refuse_start("the memory map or the modules are more than gdbvisor can hold.");
    if (map_status != HV_OK)
        refuse_start("there is no memory map from the boot loader or the firmware.");
    if (!info->self_start)
        refuse_start("no %llu KiB of free memory below 4 GiB.",
                     (unsigned long long)(info->self_size >> 10));
}

/* What can be told of the guest before anything is changed. Returns the BIOS drive, if it is one.
 */
static uint8_t check_guest(const struct boot_info *info)
{
    bool goes_on = info->running.goes_on;

    switch (options.guest.kind) {
    case BOOT_GUEST_MODULE:
        if (goes_on)
            refuse_start("guest=module needs a boot loader with multiboot2 (GRUB): under UEFI use "
                         "guest=next or guest=efi:\\PATH.");
        break;
    case BOOT_GUEST_NEXT:
        return goes_on ? 0 : bios_check(info, &options.guest);
    case BOOT_GUEST_DISK:
        if (goes_on)
            refuse_start("guest=disk:N needs a BIOS: under UEFI use guest=next or "
                         "guest=efi:\\PATH.");
        return bios_check(info, &options.guest);
    case BOOT_GUEST_EFI:
        if (!goes_on)
            refuse_start("guest=efi: needs the UEFI program gdbvisor.efi: start that.");
        break;
    }
    return 0;
}

static bool map_range(unsigned index, struct debug_range *range)
{
    if (index >= guest_map.count)
        return false;
    *range = (struct debug_range){guest_map.ranges[index].start, guest_map.ranges[index].end,
                                  guest_map.ranges[index].type};
    return true;
}

static uint32_t code_sum(void)
{
    const uint8_t *code = physmem_map(image_base());
    uint32_t sum = 0;

    for (uint64_t i = 0; i < image_rodata_offset(); i++)
        sum = (sum << 1 | sum >> 31) + code[i];
    return sum;
}

static uint32_t code_sum_at_start;

static bool code_intact(void)
{
    return code_sum() == code_sum_at_start;
}

static void announce(const struct debug_link *line)
{
    char text[64];

    if (line && options.stop == BOOT_STOP_ENTRY) {
        gdb_uart_describe(text, sizeof(text));
        log_print("gdb: waiting on %s; the guest stands at its first instruction", text);
    } else {
        log_print("guest: running");
    }
}

/* Loaded from the modules; or the machine as it ran until now. */
static void begin_guest(struct vcpu *v, const struct boot_info *info, uint8_t drive)
{
    const struct boot_running *r = &info->running;

    if (options.guest.kind == BOOT_GUEST_MODULE) {
        load_guest(v, info, &guest_map);
        return;
    }
    if (!r->goes_on) {
        bios_install(v, info, &guest_map, drive, NULL);
        return;
    }
    vcpu_reset(v);
    v->regs = r->regs;
    v->debug_regs = r->debug_regs;
    debug_regs_update(v);
    if (options.guest.kind == BOOT_GUEST_EFI)
        log_print("guest: the firmware, which starts %s", options.guest.path);
    else
        log_print("guest: the firmware, which goes on booting");
}

void hall_enter(struct boot_info *info, enum hv_status map_status)
{
    if (info->self_start)
        take_host(info);
    read_options(info);
    check_loader(info, map_status);
    choose_backend();
    platform_find_tables(info);
    const struct debug_link *line = open_line();
    uint8_t drive = check_guest(info);

    tsc_measure();
    make_maps(info);
    build_stage2(info);
    gdb_uart_hide(info->running.goes_on, options.guest_console);
    if (line)
        route_break_in();
    guest_cpus_take(info, &guest_map, options.ap);

    struct vcpu *v = vcpu_get(0);
    begin_guest(v, info, drive);
    hv_backend->cpu_on(v);
    hv_backend->reset(v);
    bios_load(v, info);

    debug_config.link = line;
    debug_config.stop_at_entry = options.stop == BOOT_STOP_ENTRY;
    debug_config.entry[0] = info->running.entry;
    debug_config.entry[1] = info->running.not_entered;
    debug_config.boot_services = info->running.boot_services;
    debug_config.fadt = platform_fadt(info);
    debug_config.stop_ap = options.stop == BOOT_STOP_AP;
    debug_config.memory_map = map_range;
    debug_config.acpi = platform_acpi_root(info);
    debug_config.code_intact = code_intact;
    code_sum_at_start = code_sum();
    fmt_print(debug_config.about, sizeof(debug_config.about),
              "gdbvisor %s, %s, %llu KiB reserved at %llx", HV_VERSION, hv_backend->name,
              (unsigned long long)(info->self_size >> 10), (unsigned long long)info->self_start);
    announce(line);
    console_leave_screen();
    bios_take_cursor();
    guest_cpus_let_go(v);
    debug_session_run(v, &debug_config);
}
