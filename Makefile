# gdbvisor: one makefile, no recursion. `make help` tells the targets.

BUILD  ?= build
ifeq ($(origin CC),default)
CC     := gcc
endif
CLANG  ?= clang
NASM   ?= nasm
LD     ?= ld
QEMU   ?= qemu-system-x86_64
BOCHS  ?= bochs
GDB    ?= gdb
PYTHON ?= /usr/bin/python3
# A folder with rspbench.py, which counts what gdb's actions cost on the wire; one that lies beside the
# project is found.
RSP_TOOLS ?= $(firstword $(wildcard ../*/tools/rsp))

VERSION := 0.1.0

all: artifacts
.PHONY: all artifacts clean help

# What a goal needs from the system: some goals install what is missing, others only say it.
ifneq ($(filter test test-full demo run bench deps,$(MAKECMDGOALS)),)
DEPS := deps
else ifneq ($(filter check fuzz,$(MAKECMDGOALS)),)
DEPS := deps-check
endif

# These goals are many small jobs; a -jN on the command line is stronger than this.
ifneq ($(filter check test test-full fuzz,$(MAKECMDGOALS)),)
MAKEFLAGS += -j$(shell nproc)
endif

.DELETE_ON_ERROR:
comma := ,

# ---- the hypervisor ----------------------------------------------------------------------------

HV_DIRS := lib arch/x86 core svm vmx debug gdbstub drivers/serial drivers/vga boot boot/bios \
           boot/multiboot2 boot/efi
HV_C    := $(foreach d,$(HV_DIRS),$(wildcard $(d)/*.c))
HV_ASM  := $(foreach d,$(HV_DIRS),$(wildcard $(d)/*.asm))
HV_OBJS := $(HV_C:%.c=$(BUILD)/hv/%.o) $(HV_ASM:%.asm=$(BUILD)/hv/%.asm.o)

# The UEFI application in front of it.
APP_C    := $(wildcard boot/efi/app/*.c)
APP_OBJS := $(APP_C:%.c=$(BUILD)/hv/%.o) $(BUILD)/hv/boot/efi/app/reloc.asm.o
APP_H    := $(wildcard boot/efi/app/*.h boot/efi/menu/*.h)

# What starts the menu of the image, or of a server, from UEFI.
MENU_C    := $(wildcard boot/efi/menu/*.c)
MENU_OBJS := $(patsubst %,$(BUILD)/hv/%,$(MENU_C:.c=.o) boot/efi/device_path.o lib/string.o \
               boot/efi/app/reloc.asm.o)
EFI_C     := $(APP_C) $(MENU_C)
APP_FLAGS := -isystem /usr/include/efi -isystem /usr/include/efi/x86_64 -DGNU_EFI_USE_MS_ABI \
             -DHAVE_USE_MS_ABI

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla \
            -Wpointer-arith -Wwrite-strings -Werror
HV_CFLAGS := -std=gnu17 -O2 -g -I. -Iinclude $(WARNINGS) -ffreestanding -fPIE -mno-red-zone \
             -mgeneral-regs-only -fno-stack-protector -fcf-protection=none -fvisibility=hidden \
             -fno-asynchronous-unwind-tables -fno-strict-aliasing -ffunction-sections \
             -fdata-sections -DHV_VERSION='"$(VERSION)"'

# No call of memcpy in place of the loop of memcpy.
$(BUILD)/hv/lib/string.o: HV_CFLAGS += -fno-tree-loop-distribute-patterns

$(EFI_C:%.c=$(BUILD)/hv/%.o): HV_CFLAGS += $(APP_FLAGS)

$(BUILD)/hv/%.o: %.c Makefile | $(DEPS)
	@mkdir -p $(@D)
	$(CC) $(HV_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/hv/%.asm.o: %.asm Makefile | $(DEPS)
	@mkdir -p $(@D)
	$(NASM) -f elf64 -g -F dwarf -I ./ -MD $(@:.o=.d) -o $@ $<

HV_LINK = $(LD) -pie --no-dynamic-linker -z noexecstack -z max-page-size=4096 --gc-sections \
          --no-warn-rwx-segments -T linker/gdbvisor.ld -o $@

# With symbols for a debugger; the boot loader's image goes without them, for GRUB reads all of a
# file's sections, through a slow BIOS or a net.
$(BUILD)/gdbvisor.debug: linker/gdbvisor.ld $(HV_OBJS)
	$(HV_LINK) $(HV_OBJS)

$(BUILD)/gdbvisor.elf: $(BUILD)/gdbvisor.debug
	objcopy --strip-all $< $@

# The same image and the application, with symbols for a debugger; then as the PE file, whose first
# section follows its headers.
$(BUILD)/gdbvisor.efi.elf: linker/gdbvisor.ld $(HV_OBJS) $(APP_OBJS)
	$(HV_LINK) -e efi_start $(HV_OBJS) $(APP_OBJS)

$(BUILD)/menu.efi.elf: linker/gdbvisor.ld $(MENU_OBJS)
	$(HV_LINK) -e menu_start $(MENU_OBJS)

$(BUILD)/%.efi: $(BUILD)/%.efi.elf
	objcopy -O efi-app-x86_64 --strip-all --adjust-vma=-0x1ff000 $< $@

# Behind grub-mkrescue, GRUB makes room for its starter in the FAT image that UEFI boots from.
$(BUILD)/gdbvisor.iso: $(BUILD)/gdbvisor.elf $(BUILD)/gdbvisor.efi $(BUILD)/menu.efi \
                       $(BUILD)/guest/selftest.bin boot/grub.cfg tools/add-starter
	@rm -rf $(BUILD)/iso && mkdir -p $(BUILD)/iso/boot/grub
	cp $(BUILD)/gdbvisor.elf $(BUILD)/gdbvisor.efi $(BUILD)/guest/selftest.bin $(BUILD)/iso/
	cp boot/grub.cfg $(BUILD)/iso/boot/grub/grub.cfg
	grub-mkrescue -o $@.part $(BUILD)/iso 2>$(BUILD)/grub-mkrescue.log || \
	    { cat $(BUILD)/grub-mkrescue.log; exit 1; }
	tools/add-starter $@.part $(BUILD)/menu.efi
	mv $@.part $@

artifacts: $(BUILD)/gdbvisor.elf $(BUILD)/gdbvisor.efi $(BUILD)/gdbvisor.iso

clean:
	rm -rf $(BUILD)

-include $(HV_OBJS:.o=.d) $(EFI_C:%.c=$(BUILD)/hv/%.d)

# ---- what the system must have -----------------------------------------------------------------

.PHONY: deps deps-check
deps:
	@tools/deps
	@$(SCRIPT_ENV) $(PYTHON) tests/emu/machines.py

deps-check:
	@tools/deps --check

# ---- host programs: the same sources, compiled for tests ---------------------------------------

# Two compilers; what clang compiles also serves the fuzz targets, and counts what they want.
HOST_KINDS    := gcc clang
HOST_CC_gcc   := gcc
HOST_CC_clang := $(CLANG)

HOST_CFLAGS := -std=gnu17 -O1 -g -Itests/model -I. -Iinclude $(WARNINGS) -fno-omit-frame-pointer \
               -fno-strict-aliasing -fsanitize=address,undefined -fno-sanitize-recover=all \
               -DHV_VERSION='"$(VERSION)"'
HOST_CFLAGS_clang := -fsanitize=fuzzer-no-link

HOST_C := $(filter-out lib/string.c arch/x86/host_paging.c,$(HV_C)) $(wildcard tests/model/*.c) \
          $(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c))
# Code for the guest: to the host it is data.
HOST_ASM := $(BUILD)/hv/boot/bios/resident.asm.o
UNIT_C := $(wildcard tests/unit/test_*.c)
FUZZ_C := $(wildcard tests/fuzz/fuzz_*.c)
STUB_C := $(wildcard tests/gdb/stub_on_tcp.c)
UNITS  := $(UNIT_C:tests/unit/%.c=%)
FUZZES := $(FUZZ_C:tests/fuzz/%.c=%)
STUB   := $(STUB_C:tests/gdb/%.c=$(BUILD)/host/%)

define HOST_RULES
$$(BUILD)/host/$(1)/%.o: %.c Makefile | $$(DEPS)
	@mkdir -p $$(@D)
	@echo "  CC     $(1) $$<"
	@$$(HOST_CC_$(1)) $$(HOST_CFLAGS) $$(HOST_CFLAGS_$(1)) -MMD -MP -c -o $$@ $$<

$$(BUILD)/host/$(1)/libhost.a: $$(HOST_C:%.c=$$(BUILD)/host/$(1)/%.o) $$(HOST_ASM)
	@rm -f $$@
	@ar qcs $$@ $$^

-include $$(HOST_C:%.c=$$(BUILD)/host/$(1)/%.d)
endef
$(foreach kind,$(HOST_KINDS),$(eval $(call HOST_RULES,$(kind))))

$(BUILD)/host/stub_on_tcp: $(BUILD)/host/gcc/tests/gdb/stub_on_tcp.o $(BUILD)/host/gcc/libhost.a
	@echo "  LINK   $@"
	@gcc $(HOST_CFLAGS) -o $@ $^

-include $(BUILD)/host/gcc/tests/gdb/stub_on_tcp.d

# ---- make check --------------------------------------------------------------------------------

.PHONY: check check-units check-layers check-limits check-controls check-coverage \
        check-manual check-selftest check-headers check-format check-tidy check-cppcheck check-fuzz

CHECKS := check-units check-layers check-limits check-controls check-coverage check-manual check-selftest \
          check-headers check-format check-tidy check-cppcheck check-fuzz

# Runs a command, and shows what it printed only when it fails. $(1): where its output is kept.
define QUIETLY
@mkdir -p $(dir $(1)); if ! { $(2); } >$(1).tmp 2>&1 </dev/null; then \
    cat $(1).tmp; echo "check: $@ failed" >&2; exit 1; \
fi; mv $(1).tmp $(1)
endef

define UNIT_RULES
$$(BUILD)/unit/$(1)/%: $$(BUILD)/host/$(1)/tests/unit/%.o $$(BUILD)/host/$(1)/libhost.a
	@mkdir -p $$(@D)
	@$$(HOST_CC_$(1)) $$(HOST_CFLAGS) -o $$@ $$^ -lcmocka

$$(BUILD)/unit/$(1)/%.log: $$(BUILD)/unit/$(1)/%
	@echo "  TEST   $(1) $$*"
	$$(call QUIETLY,$$@,UBSAN_OPTIONS=print_stacktrace=1 $$<)

-include $$(UNIT_C:%.c=$$(BUILD)/host/$(1)/%.d)
endef
$(foreach kind,gcc clang,$(eval $(call UNIT_RULES,$(kind))))

UNIT_LOGS := $(foreach kind,gcc clang,$(UNITS:%=$(BUILD)/unit/$(kind)/%.log))
check-units: $(UNIT_LOGS)

check-layers: | $(DEPS)
	@tools/check-layers

check-limits: | $(DEPS)
	@tools/check-limits

check-controls: | $(DEPS)
	@tools/check-controls

check-coverage: | $(DEPS)
	@$(PYTHON) tools/coverage

check-manual: | $(DEPS)
	@tools/check-manual

check-selftest: | $(DEPS)
	@tools/check-selftest

# Each header compiles by itself; those of tests and models against the model.
HEADERS := $(foreach d,$(HV_DIRS) include/hv tests/model tests/model/arch/x86 tests/model/lib tests/unit \
             tests/fuzz tests/gdb,$(wildcard $(d)/*.h))

define HEADER_RULES
$$(BUILD)/headers/$(1)/%.ok: % Makefile | $$(DEPS)
	@mkdir -p $$(@D)
	@$$(HOST_CC_$(1)) -std=gnu17 $$(if $$(filter tests/%,$$<),-Itests/model) -I. -Iinclude \
	    $$(WARNINGS) -Wno-unused-function -fsyntax-only -MMD -MP -MT $$@ -MF $$@.d -include $$< \
	    -x c /dev/null
	@touch $$@

-include $$(HEADERS:%=$$(BUILD)/headers/$(1)/%.ok.d)
endef
$(foreach kind,gcc clang,$(eval $(call HEADER_RULES,$(kind))))

check-headers: $(foreach kind,gcc clang,$(HEADERS:%=$(BUILD)/headers/$(kind)/%.ok))
	@echo "headers: $(words $(HEADERS)) compile alone"

FORMATTED := $(HV_C) $(EFI_C) $(HEADERS) $(APP_H) $(wildcard tests/*/*.c) \
             $(wildcard tests/efi/*.h tests/efi/*/*.c)
.PHONY: format
check-format: | $(DEPS)
	@bad=$$(clang-format --dry-run -Werror $(FORMATTED) 2>&1 | sed -n 's/:.* error: .*//p' | uniq); \
	if [ -n "$$bad" ]; then echo "$$bad"; echo "format: fix these by: make format" >&2; exit 1; fi
	@echo "format: $(words $(FORMATTED)) files"

format:
	clang-format -i $(FORMATTED)

# The analyzer's search in each function ends early, at a tenth of its usual bound: it costs seconds
# a file otherwise.
$(BUILD)/tidy/%.ok: %.c .clang-tidy Makefile | $(DEPS)
	@echo "  TIDY   $<"
	$(call QUIETLY,$@,clang-tidy --quiet --warnings-as-errors='*' $< -- -std=gnu17 -I. -Iinclude \
	    $(if $(filter $(EFI_C),$<),$(APP_FLAGS)) \
	    -ffreestanding -mgeneral-regs-only -DHV_VERSION=\"$(VERSION)\" \
	    -Xclang -analyzer-config -Xclang max-nodes=20000)

# Any header may change any analysis.
TIDY := $(patsubst %.c,$(BUILD)/tidy/%.ok,$(HV_C) $(EFI_C))
$(TIDY): $(filter %.h,$(HEADERS)) $(APP_H)
check-tidy: $(TIDY)

$(BUILD)/cppcheck.ok: $(HV_C) $(HEADERS) tools/cppcheck.txt Makefile | $(DEPS)
	$(call QUIETLY,$@,cppcheck --quiet --enable=warning$(comma)performance$(comma)portability \
	    --inline-suppr --suppressions-list=tools/cppcheck.txt --error-exitcode=1 --std=c11 \
	    --platform=unix64 -I. -Iinclude -DHV_VERSION=\"$(VERSION)\" $(HV_C))

check-cppcheck: $(BUILD)/cppcheck.ok
	@echo "cppcheck: $(words $(HV_C)) files"

check: $(CHECKS)
	@tools/check-summary $(BUILD)/unit $(words $(FUZZES))

# ---- make fuzz ---------------------------------------------------------------------------------

.PHONY: fuzz
FUZZ_SECONDS ?= 60
FUZZ_SMOKE   ?= 5000

$(BUILD)/fuzz/fuzz_%: $(BUILD)/host/clang/tests/fuzz/fuzz_%.o $(BUILD)/host/clang/libhost.a
	@mkdir -p $(@D)
	@$(CLANG) $(HOST_CFLAGS) -fsanitize=fuzzer -o $@ $^

-include $(FUZZ_C:%.c=$(BUILD)/host/clang/%.d)

# What a run needs besides the number of runs: where to keep findings and what to start from.
FUZZ_ARGS = -timeout=10 -artifact_prefix=$(BUILD)/fuzz/$*- -print_final_stats=1 \
            $(patsubst %,-dict=%,$(wildcard tests/fuzz/$*.dict tests/fuzz/fuzz_$*.dict))
FUZZ_CORPUS = $(wildcard tests/fuzz/corpus/$* tests/fuzz/corpus/fuzz_$*)

$(BUILD)/fuzz/fuzz_%.smoke: $(BUILD)/fuzz/fuzz_%
	@echo "  FUZZ   $*, $(FUZZ_SMOKE) runs"
	@rm -rf $(BUILD)/fuzz/smoke-$* && mkdir -p $(BUILD)/fuzz/smoke-$*
	$(call QUIETLY,$@,$< -seed=1 -runs=$(FUZZ_SMOKE) $(FUZZ_ARGS) $(BUILD)/fuzz/smoke-$* \
	    $(FUZZ_CORPUS))

check-fuzz: $(FUZZES:%=$(BUILD)/fuzz/%.smoke)

# Pattern rules are not searched for phony targets: the targets are named.
.PHONY: $(FUZZES:%=run-%)
$(FUZZES:%=run-%): run-fuzz_%: $(BUILD)/fuzz/fuzz_%
	@echo "  FUZZ   $*, $(FUZZ_SECONDS) seconds"
	@mkdir -p $(BUILD)/fuzz/corpus-$*
	$(call QUIETLY,$(BUILD)/fuzz/fuzz_$*.log,$< -max_total_time=$(FUZZ_SECONDS) $(FUZZ_ARGS) \
	    $(BUILD)/fuzz/corpus-$* $(FUZZ_CORPUS))
	@grep -h 'stat::number_of_executed_units' $(BUILD)/fuzz/fuzz_$*.log | \
	    sed 's/.*: */  FUZZ   $*: inputs run: /'

fuzz: $(FUZZES:%=run-%)
	@echo "fuzz: $(words $(FUZZES)) targets, no finding"

# ---- tiny guests, and the Linux guest ----------------------------------------------------------

GUESTS := $(patsubst tests/guest/%/guest.asm,%,$(wildcard tests/guest/*/guest.asm))

.PHONY: guests kernel
guests: $(GUESTS:%=$(BUILD)/guest/%.bin)

$(BUILD)/guest/%.o: tests/guest/%/guest.asm Makefile | $(DEPS)
	@mkdir -p $(@D)
	$(NASM) -f elf64 -I tests/guest/ -MD $(@:.o=.d) -o $@ $<

$(BUILD)/guest/%.elf: $(BUILD)/guest/%.o tests/guest/guest.ld
	$(LD) -nostdlib -static --no-warn-rwx-segments -z noexecstack -T tests/guest/guest.ld -o $@ $<

$(BUILD)/guest/%.bin: $(BUILD)/guest/%.elf
	objcopy -O binary $< $@

-include $(GUESTS:%=$(BUILD)/guest/%.d)

kernel: $(BUILD)/kernel/vmlinux.sym

$(BUILD)/kernel/vmlinuz: | $(DEPS)
	@tools/get-kernel $(BUILD)

$(BUILD)/kernel/initrd.img: tools/get-kernel tests/user/debugtest.c $(BUILD)/kernel/vmlinuz | $(DEPS)
	@tools/get-kernel $(BUILD)
	@touch $@

$(BUILD)/kernel/vmlinux.sym: $(BUILD)/kernel/vmlinuz $(BUILD)/kernel/initrd.img tools/kallsyms
	@QEMU="$(QEMU)" tools/kallsyms $(BUILD)
	@touch $@

# ---- with a machine: tests, demo, bench --------------------------------------------------------

.PHONY: test test-full demo run usb bench
.SECONDARY:

# What the scripts below take from here.
SCRIPT_ENV = BUILD="$(abspath $(BUILD))" QEMU="$(QEMU)" BOCHS="$(BOCHS)" GDB="$(GDB)" \
             NASM="$(NASM)" PYTHON="$(PYTHON)" STUB_ON_TCP="$(abspath $(STUB))" INTERACTIVE="$(INTERACTIVE)" \
             MACHINE="$(MACHINE)" GUEST="$(GUEST)" RSP_TOOLS="$(abspath $(RSP_TOOLS))"

MACHINE_NEEDS := artifacts guests kernel $(STUB)

test: check $(MACHINE_NEEDS)
	@$(SCRIPT_ENV) tools/run-pytest tests/gdb tests/emu

test-full: check fuzz $(MACHINE_NEEDS)
	@$(SCRIPT_ENV) TEST_FULL=1 tools/run-pytest tests/gdb tests/emu

demo: artifacts kernel
	@$(SCRIPT_ENV) tools/demo

usb: artifacts
	@$(SCRIPT_ENV) tools/usb "$(DEV)"

run: artifacts guests kernel
	@$(SCRIPT_ENV) tools/run

bench: $(MACHINE_NEEDS)
	@$(SCRIPT_ENV) $(PYTHON) tests/bench/bench.py

# ---- make help ---------------------------------------------------------------------------------

help:
	@sed -n '/^# help$$/,/^# end$$/{s/^#| \{0,1\}//p}' Makefile

# help
#| gdbvisor: boot it before anything else, and debug what boots by gdb on a UART.
#|
#|   make             the artifacts: build/gdbvisor.elf, build/gdbvisor.efi and build/gdbvisor.iso
#|   make demo        a Debian kernel under gdb, in an emulator; installs what is missing
#|   make test        everything that is tested; installs what is missing
#|   make check       the tests that need no machine: two to three minutes on two CPUs
#|
#|   make run         the machine of the demo, without the script
#|   make usb DEV=/dev/sdX   writes build/gdbvisor.iso to a stick; shows what is on it and asks
#|   make bench       speed and memory, as a table
#|   make fuzz        each fuzz target for FUZZ_SECONDS (60)
#|   make test-full   make test, make fuzz, and the tests that take long
#|   make format      clang-format, in place
#|   make deps        only install the packages that are missing
#|   make kernel      only fetch the Debian kernel and its symbols
#|   make guests      only build the tiny guests of the tests
#|   make clean       remove the build folder
#|
#| Variables:
#|   BUILD=build      where everything is built
#|   INTERACTIVE=1    make demo: ends at the gdb prompt
#|   MACHINE=name     make demo, make run: which machine: qemu-svm, qemu-svm-uefi, bochs-vmx,
#|                    bochs-vmx-uefi, or kvm (nested, where the host offers it)
#|   MACHINES=names   make test: which machines, and all their tests; else qemu and some of bochs
#|   GUEST=name       make demo: linux, bios (a disk, from its boot sector on) or uefi (the firmware
#|                    and what it starts); make run: which guest of tests/guest. Else the Debian kernel
#|   CC= CLANG= NASM= LD= QEMU= BOCHS= GDB= PYTHON=   the programs
#|   BXSHARE=folder   the firmware files of BOCHS=, where they are not installed with it
# end
