/*
 * Any bytes on the stub's line. While they come the target runs now and then; afterwards a gdb
 * that comes anew must be served. Everything the stub sends must be well-formed: fake_line.h ends
 * the program when it is not.
 */
#include "tests/unit/fake_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    start(2);
    for (size_t i = 0; i < size; i++) {
        gdbstub_receive(&stub, data[i]);
        LINE_CHECK(stub.in_len <= GDBSTUB_PACKET_SIZE);
        LINE_CHECK(stub.out_len <= GDBSTUB_PACKET_SIZE);
        if (i % 8 == 7 && fake_run(2))
            gdbstub_stopped(&stub, &fake.stop);
        LINE_CHECK(gdbstub_is_running(&stub) == fake.running);
        while (line_take() != 0)
            ;
        line_clear();
    }
    line_check_alive();
    return 0;
}
