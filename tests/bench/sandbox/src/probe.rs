//! The smallest program there is: it writes the time of its first instruction and ends. Made here, byte
//! by byte, since a compiler's program has run for some hundred microseconds before it reaches `main`.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Its machine code for x86-64: `clock_gettime(CLOCK_MONOTONIC, stack)`, `write(1, stack, 16)`, `exit(0)`.
const CODE: [u8; 48] = [
    0x48, 0x83, 0xec, 0x10, // sub rsp, 16
    0xb8, 0xe4, 0x00, 0x00, 0x00, // mov eax, 228
    0xbf, 0x01, 0x00, 0x00, 0x00, // mov edi, 1
    0x48, 0x89, 0xe6, // mov rsi, rsp
    0x0f, 0x05, // syscall
    0xb8, 0x01, 0x00, 0x00, 0x00, // mov eax, 1
    0xbf, 0x01, 0x00, 0x00, 0x00, // mov edi, 1
    0x48, 0x89, 0xe6, // mov rsi, rsp
    0xba, 0x10, 0x00, 0x00, 0x00, // mov edx, 16
    0x0f, 0x05, // syscall
    0xb8, 0x3c, 0x00, 0x00, 0x00, // mov eax, 60
    0x31, 0xff, // xor edi, edi
    0x0f, 0x05, // syscall
];

/// Where the file is put into memory, and the length of what stands before the code.
const BASE: u64 = 0x40_0000;
const HEADERS: u64 = 64 + 56;

/// Writes the program.
pub(crate) fn write(path: &Path) -> std::io::Result<()> {
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(path)?;
    let size = HEADERS + CODE.len() as u64;
    let mut bytes = Vec::new();
    // ELF header: 64 bits, little-endian, an executable for x86-64.
    bytes.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    bytes.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    bytes.extend((BASE + HEADERS).to_le_bytes());
    bytes.extend(64_u64.to_le_bytes());
    bytes.extend([0; 8 + 4]);
    bytes.extend([64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    // One segment: the whole file, to read and run.
    bytes.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for value in [0, BASE, BASE, size, size, 0x1000] {
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(CODE);
    file.write_all(&bytes)
}
