; An empty table of base relocations: firmware loads an image anywhere only when it has one. The
; image repairs its own pointers (Microsoft, "PE Format", "The .reloc Section").
        section .reloc progbits alloc noexec nowrite align=4
        dd 0, 12                        ; page, size of this block
        dw 0, 0                         ; two entries of type "absolute": nothing to do
