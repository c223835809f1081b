#include "boot/bios/drive.h"

static bool refuse_disk(unsigned disk, unsigned disks, struct refusal *refusal)
{
    if (disks == 1)
        return refuse(refusal, "guest=disk:%u: the BIOS has one hard disk, disk:0", disk);
    return refuse(refusal, "guest=disk:%u: the BIOS has %u hard disks, disk:0 to disk:%u", disk,
                  disks, disks - 1);
}

bool bios_choose_drive(const struct boot_guest *guest, int loaded_from, unsigned disks,
                       uint8_t *drive, struct refusal *refusal)
{
    bool named = guest->kind == BOOT_GUEST_DISK;
    unsigned disk = 0;

    if (disks == 0)
        return refuse(refusal, "the BIOS has no hard disk to boot from");
    if (named)
        disk = guest->disk;
    else if (loaded_from >= BIOS_FIRST_DISK && (unsigned)loaded_from < BIOS_FIRST_DISK + disks)
        disk = (unsigned)loaded_from - BIOS_FIRST_DISK + 1;
    if (disk >= disks && named)
        return refuse_disk(disk, disks, refusal);
    if (disk >= disks)
        return refuse(refusal,
                      "guest=next: no drive follows 0x%x, which gdbvisor was loaded from; "
                      "guest=disk:N names another",
                      (unsigned)loaded_from);
    *drive = (uint8_t)(BIOS_FIRST_DISK + disk);
    return true;
}
