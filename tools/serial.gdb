# gdb settings for a slow line: source this before `target remote`. What each one saves is in
# docs/protocol.md, "What actions cost".

# Breakpoints stay in the guest from stop to stop: saves two round trips for each of them, each time.
# gdbvisor shows the true bytes under them.
set breakpoint always-inserted on

# Code and constants are read from the symbol file, not over the line. Not for code that changes
# itself: a kernel patches itself at boot; then `set trust-readonly-sections off`.
set trust-readonly-sections on

# At every stop gdb reads a piece of the stack to find the caller. Smaller pieces make steps cheaper
# and back-traces dearer; with a USB adapter's latency of 16 ms leave it at 64.
set dcache line-size 32

# A packet of 16 KiB takes 1.4 s at 115200 baud.
set remotetimeout 10

# x/256xw asks for each word by itself; this reads all at once, and in binary, which is half:
# getmem FILE ADDRESS LENGTH
define getmem
  eval "remote get mem/%lx,%lx $arg0", (unsigned long) ($arg1), (unsigned long) ($arg2)
end
document getmem
Read guest memory into a file, in binary: getmem FILE ADDRESS LENGTH
end
