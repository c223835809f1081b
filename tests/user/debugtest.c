/*
 * What a program can do with the processor's means of debugging, inside of a Linux guest: steps,
 * debug registers and INT3s in a child by ptrace, TF of its own, INT1, INT3. One line for each
 * check; they are the same whether and how the machine itself is debugged.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <termios.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef PTRACE_SINGLEBLOCK
#define PTRACE_SINGLEBLOCK 33
#endif

/* What the child executes, between two labels; its flags images and what is watched. */
extern const char walk_begin[], walk_end[], walk_target[], watch_write[], watch_written[],
    watch_read[], watch_was_read[];
volatile uint64_t images[4];
volatile uint32_t watched[2];

__asm__("        .text\n"
        "walk:   push %rbx\n"
        "        xor %eax, %eax\n"
        "        .globl walk_begin, walk_end, walk_target, watch_write, watch_written\n"
        "        .globl watch_read, watch_was_read\n"
        "walk_begin:\n"
        "        nop\n"
        "        pushfq\n"
        "        pop images\n"
        "        pushq $0x202\n"
        "        popfq\n"
        "        pushfq\n"
        "        pop images + 8\n"
        "        xor %eax, %eax\n"
        "        cpuid\n"
        "        mov %ss, %eax\n"
        "        mov %eax, %ss\n"
        "        nop\n"
        "        nop\n"
        "        lea images, %rsi\n"
        "        lea images + 16, %rdi\n"
        "        mov $5, %ecx\n"
        "        rep movsb\n"
        "        mov $110, %eax\n" /* getppid */
        "        syscall\n"
        "        mov %r11, images + 24\n"
        "        mov $64, %eax\n"
        "        int $0x80\n"
        "        mov $3, %ecx\n"
        "1:      dec %ecx\n"
        "        jnz 1b\n"
        "        call walk_target\n"
        "watch_write:\n"
        "        movl $7, watched\n"
        "watch_written:\n"
        "        nop\n"
        "watch_read:\n"
        "        mov watched + 4, %eax\n"
        "watch_was_read:\n"
        "        nop\n"
        "        jmp walk_end\n"
        "walk_target:\n"
        "        nop\n"
        "        ret\n"
        "walk_end:\n"
        "        pop %rbx\n"
        "        ret\n");
extern void walk(void);

static uint64_t hash;

static void mix(uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        hash = (hash ^ (value >> 8 * i & 0xff)) * 0x100000001b3;
}

static long offset(uint64_t rip)
{
    return (long)(rip - (uint64_t)walk_begin);
}

static void die(const char *what)
{
    printf("self: %s: %s\n", what, strerror(errno));
    exit(1);
}

static pid_t start_child(void (*code)(void))
{
    int status;
    pid_t child = fork();

    if (child < 0)
        die("fork");
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        code();
        _exit(42);
    }
    waitpid(child, &status, 0);
    return child;
}

/* Goes on; true when it stopped again by SIGTRAP, with its registers. */
static int resume(pid_t child, int how, struct user_regs_struct *regs)
{
    int status;

    if (ptrace((enum __ptrace_request)how, child, 0, 0) < 0)
        return 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status)) {
        printf("self:   exit %d\n", WEXITSTATUS(status));
        return 0;
    }
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) {
        printf("self:   status %x\n", status);
        return 0;
    }
    ptrace(PTRACE_GETREGS, child, 0, regs);
    return 1;
}

static size_t debug_register(unsigned n)
{
    return offsetof(struct user, u_debugreg) + n * sizeof(long);
}

static int arm(pid_t child, unsigned n, const volatile void *address, unsigned long dr7)
{
    if (ptrace(PTRACE_POKEUSER, child, debug_register(n), address) < 0)
        return -1;
    return (int)ptrace(PTRACE_POKEUSER, child, debug_register(7), dr7);
}

static int code_of(pid_t child)
{
    siginfo_t info;

    ptrace(PTRACE_GETSIGINFO, child, 0, &info);
    return info.si_code;
}

static unsigned long causes(pid_t child)
{
    unsigned long dr6 = (unsigned long)ptrace(PTRACE_PEEKUSER, child, debug_register(6), 0);

    ptrace(PTRACE_POKEUSER, child, debug_register(6), 0);
    return dr6 & 0xe00f;
}

static void end(pid_t child)
{
    int status;

    kill(child, SIGKILL);
    waitpid(child, &status, 0);
}

/* Steps the child from walk_begin to walk_end: how many, where to, and what flags it got to see. */
static void check_steps(const char *name, int how)
{
    struct user_regs_struct regs;
    unsigned count = 0, codes = 0;
    pid_t child = start_child(walk);

    hash = 0xcbf29ce484222325;
    arm(child, 0, walk_begin, 1);
    if (!resume(child, PTRACE_CONT, &regs) || offset(regs.rip) != 0)
        printf("self:   not at its beginning\n");
    arm(child, 0, 0, 0);
    causes(child);
    while (count < 200 && resume(child, how, &regs) && regs.rip != (uint64_t)walk_end) {
        mix((uint64_t)offset(regs.rip));
        mix(regs.eflags & 0xfed5);
        codes |= 1U << (code_of(child) & 7);
        count++;
    }
    printf("self: %s: %u steps, %016lx, codes %x, dr6 %lx, images", name, count,
           (unsigned long)hash, codes, causes(child));
    for (unsigned i = 0; i < 4; i++)
        printf(" %lx", (unsigned long)ptrace(PTRACE_PEEKDATA, child, &images[i], 0));
    printf("\n");
    end(child);
}

/* An execution breakpoint and a watchpoint at the same time: every stop of the child. */
static void check_registers(const char *name, unsigned long dr7, const volatile void *data)
{
    struct user_regs_struct regs;
    pid_t child = start_child(walk);

    printf("self: %s: arm %d", name, arm(child, 0, walk_target, 0));
    printf(" %d\n", arm(child, 1, data, dr7));
    for (unsigned i = 0; i < 10 && resume(child, PTRACE_CONT, &regs); i++)
        printf("self:   %ld code %d dr6 %lx\n", offset(regs.rip), code_of(child), causes(child));
    end(child);
}

/* ---- INT3s in a child ---------------------------------------------------------------------------
 */

/* In a page that is there once, not copied when it is written: tests/emu/test_debug_inside.py has
 * its places, too. */
enum { PAGE = 4096, SHARED = 0x10000000, THEIRS = SHARED + 0x40, OURS = SHARED + 0x80, ROUNDS = 6 };

extern const char shared_begin[], shared_end[];
__asm__("        .balign 64\n"
        "        .globl shared_begin, shared_end\n"
        "shared_begin:\n"
        "        push %rbx\n"
        "        mov $6, %ebx\n"
        "1:      call 2f\n"
        "        call 3f\n"
        "        dec %ebx\n"
        "        jnz 1b\n"
        "        pop %rbx\n"
        "        ret\n"
        "        .balign 64\n"
        "2:      nop\n"
        "        ret\n"
        "        .balign 64\n"
        "3:      nop\n"
        "        ret\n"
        "shared_end:\n");

/* Another byte at an address of the child. */
static void poke(pid_t child, uint64_t address, uint8_t byte)
{
    long word = ptrace(PTRACE_PEEKTEXT, child, address, 0);

    ptrace(PTRACE_POKETEXT, child, address, (word & ~0xffL) | byte);
}

/* What the child's page reads as. */
static void mix_page(pid_t child)
{
    for (uint64_t at = SHARED; at < SHARED + PAGE; at += 8)
        mix((uint64_t)ptrace(PTRACE_PEEKTEXT, child, at, 0));
}

/* Off its INT3 at regs->rip - 1, a NOP, as debuggers do it. */
static int step_off(pid_t child, struct user_regs_struct *regs)
{
    regs->rip--;
    poke(child, regs->rip, 0x90);
    ptrace(PTRACE_SETREGS, child, 0, regs);
    if (!resume(child, PTRACE_SINGLESTEP, regs))
        return 0;
    poke(child, regs->rip - 1, 0xcc);
    return 1;
}

/* To the next INT3: at once, or in steps that the INT3 ends, and with one where gdb may have its
 * own. */
static void check_int3s(const char *name, int how, int at_theirs, void *page)
{
    struct user_regs_struct regs;
    unsigned stops = 0, hits = 0;

    memcpy(page, shared_begin, (size_t)(shared_end - shared_begin));
    pid_t child = start_child((void (*)(void))page);
    hash = 0xcbf29ce484222325;
    poke(child, OURS, 0xcc);
    if (at_theirs)
        poke(child, THEIRS, 0xcc);
    while (stops < 2000 && resume(child, how, &regs)) {
        mix(regs.rip);
        stops++;
        if (regs.rip != OURS + 1 && !(at_theirs && regs.rip == THEIRS + 1))
            continue;
        hits++;
        mix_page(child);
        if (!step_off(child, &regs))
            break;
        mix(regs.rip);
    }
    printf("self: %s: %u stops, %u INT3s, %016lx\n", name, stops, hits, (unsigned long)hash);
    end(child);
}

/* ---- a program's own traps ----------------------------------------------------------------------
 */

extern const char own_tf[], own_tf_end[], own_int1[], own_int3[], own_cd03[];
static volatile unsigned traps, last_signal;
static volatile int last_code;
static volatile uint64_t last_rip, last_flags;
enum { MOST = 16, CONTROL_FLAGS = 0x7600 }; /* IF, DF, IOPL, NT */
static volatile long places[MOST];
static volatile unsigned long flags[MOST];

static void handler(int signal, siginfo_t *info, void *context)
{
    greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;

    traps++;
    last_signal = (unsigned)signal;
    last_code = info->si_code;
    last_rip = (uint64_t)gregs[REG_RIP];
    last_flags = (uint64_t)gregs[REG_EFL];
    if (traps <= MOST) {
        places[traps - 1] = (long)(last_rip - (uint64_t)own_tf);
        flags[traps - 1] = (unsigned long)last_flags & CONTROL_FLAGS;
    }
    if (signal == SIGILL || signal == SIGSEGV) /* INT1, where there is none: one byte */
        gregs[REG_RIP]++;
    else if (last_rip >= (uint64_t)own_tf_end || last_rip < (uint64_t)own_tf)
        gregs[REG_EFL] &= ~0x100;
}

static void say(const char *name, const char *base)
{
    printf("self: %s: %u traps, signal %u code %d at %ld, flags %lx\n", name, traps, last_signal,
           last_code, (long)(last_rip - (uint64_t)base), (unsigned long)last_flags & CONTROL_FLAGS);
    traps = 0;
}

static void check_own(void)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

    sigaction(SIGTRAP, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    __asm__ volatile("        sub $128, %%rsp\n"
                     "        pushfq\n"
                     "        orq $0x100, (%%rsp)\n"
                     "        popfq\n"
                     "own_tf: nop\n"
                     "        mov $39, %%eax\n" /* getpid */
                     "        syscall\n"
                     "        xor %%eax, %%eax\n"
                     "        cpuid\n"
                     "        pushfq\n"
                     "        pop %%rax\n"
                     "        mov %%ss, %%eax\n"
                     "        mov %%eax, %%ss\n"
                     "        nop\n"
                     "        nop\n"
                     "own_tf_end:\n"
                     "        nop\n"
                     "        add $128, %%rsp\n"
                     "        .globl own_tf, own_tf_end" ::
                         : "rax", "rbx", "rcx", "rdx", "r11", "memory", "cc");
    for (unsigned i = 0; i < traps && i < MOST; i++)
        printf("self:   at %ld flags %lx\n", places[i], flags[i]);
    say("own TF", own_tf);
    __asm__ volatile("        .globl own_int1, own_int3, own_cd03\n"
                     "own_int1: .byte 0xf1\n" ::
                         : "memory");
    say("INT1", own_int1);
    __asm__ volatile("own_int3: int3\n" ::: "memory");
    say("INT3", own_int3);
    __asm__ volatile("own_cd03: .byte 0xcd, 3\n" ::: "memory");
    say("INT 3 in two bytes", own_cd03);
}

int main(void)
{
    void *page = mmap((void *)SHARED, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    if (page == MAP_FAILED)
        die("mmap");
    setvbuf(stdout, NULL, _IOLBF, 0);
    check_steps("single steps", PTRACE_SINGLESTEP);
    check_steps("block steps", PTRACE_SINGLEBLOCK);
    check_registers("breakpoint and write watchpoint", 0xd00005, watched);
    check_registers("breakpoint and access watchpoint", 0xf00005, watched + 1);
    check_int3s("INT3s", PTRACE_CONT, 0, page);
    check_int3s("INT3s and steps", PTRACE_SINGLESTEP, 0, page);
    check_int3s("INT3s where gdb's is", PTRACE_CONT, 1, page);
    check_own();
    printf("self: done\n");
    tcdrain(STDOUT_FILENO); /* the machine may go off now */
    return 0;
}
