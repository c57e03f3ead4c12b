//! A piece of memory that ONNX Runtime reads and writes in place.
//!
//! A graph with grouped-query attention appends to its cache where it lies: the same memory is bound as
//! `past` and as `present`. `ort` allows that only for tensors that it allocated itself, of one fixed
//! shape. Batches of several sizes need tensors that are windows into one allocation, which is what this
//! module makes.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use ort::AsPointer;
use ort::memory::{Allocator, MemoryInfo};
use ort::session::{IoBinding, Session};
use ort::value::{DynValue, TensorElementType};

/// Cache lines and the widest vector registers.
const ALIGNMENT: usize = 64;

/// Zeroed memory with a fixed place. It costs nothing before it is written to.
#[derive(Debug)]
pub(super) struct Memory {
    /// Aligned; a few bytes behind `whole`.
    start: NonNull<u8>,
    whole: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the memory belongs to this value alone, like a boxed slice's. Tensors made of it are used by
// whoever holds `&mut` to the runner that owns both.
unsafe impl Send for Memory {}

impl Memory {
    /// `None` where the size is no size, or too large for this machine's addresses.
    pub(super) fn new(bytes: usize) -> Option<Self> {
        // Asked for as it is needed, the alignment would cost all of the memory at once: the system's
        // allocator has no zeroed memory of that alignment and writes the zeros itself.
        let layout = Layout::from_size_align(bytes.checked_add(ALIGNMENT)?, 1).ok()?;
        // SAFETY: the layout has a size above 0.
        let whole = unsafe { alloc_zeroed(layout) };
        // Overcommit grants what is never touched; a refusal means that the size is absurd.
        let whole = NonNull::new(whole)?;
        let skipped = whole.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        // SAFETY: the layout has so many bytes more.
        let start = unsafe { whole.add(skipped) };
        Some(Self {
            start,
            whole,
            layout,
        })
    }

    /// Copies bytes out, beginning at `offset`.
    pub(super) fn read(&self, offset: usize, into: &mut [u8]) {
        self.check(offset, into.len());
        // SAFETY: in bounds by the check; `into` is a reference to other memory.
        unsafe {
            self.start
                .add(offset)
                .as_ptr()
                .copy_to_nonoverlapping(into.as_mut_ptr(), into.len());
        }
    }

    /// Copies bytes in, beginning at `offset`.
    pub(super) fn write(&mut self, offset: usize, from: &[u8]) {
        self.check(offset, from.len());
        // SAFETY: in bounds by the check; `from` is a reference to other memory.
        unsafe {
            self.start
                .add(offset)
                .as_ptr()
                .copy_from_nonoverlapping(from.as_ptr(), from.len());
        }
    }

    /// A tensor whose elements are the bytes from `offset` on.
    ///
    /// # Safety
    /// The tensor, and every binding that holds it, must be dropped before this memory, and nothing may run
    /// on it while this memory is read or written.
    pub(super) unsafe fn tensor(
        &self,
        offset: usize,
        shape: &[i64],
        element: TensorElementType,
        element_bytes: usize,
    ) -> ort::Result<DynValue> {
        let elements: i64 = shape.iter().product();
        let bytes = usize::try_from(elements).unwrap_or(usize::MAX) * element_bytes;
        self.check(offset, bytes);
        let info = MemoryInfo::default();
        let mut value = std::ptr::null_mut();
        // SAFETY: pointer and length are in bounds by the check, shape and info outlive the call, and the
        // value that comes back is owned by the returned `DynValue`. The allocator is not asked to free
        // this memory: the value does not own its data.
        unsafe {
            let status = (ort::api().CreateTensorWithDataAsOrtValue)(
                info.ptr(),
                self.start.add(offset).as_ptr().cast(),
                bytes,
                shape.as_ptr(),
                shape.len(),
                element.into(),
                &raw mut value,
            );
            ort::Error::result_from_status(status)?;
            let value = NonNull::new(value)
                .ok_or_else(|| ort::Error::new("ONNX Runtime made a tensor of nothing"))?;
            Ok(DynValue::from_ptr(value, Some(&Allocator::default())))
        }
    }

    fn check(&self, offset: usize, bytes: usize) {
        let end = offset.checked_add(bytes);
        assert!(
            end.is_some_and(|end| end <= self.layout.size() - ALIGNMENT),
            "{offset} + {bytes} bytes of {}",
            self.layout.size() - ALIGNMENT
        );
    }
}

/// Runs `session` on what is bound. The results are where they were bound to; `ort`'s own function makes a list
/// of all of them on top, caches included, for every token.
pub(super) fn run(session: &mut Session, binding: &IoBinding) -> ort::Result<()> {
    // SAFETY: both pointers are of living objects, the binding was made of this session, and `&mut` keeps
    // other runs away. Without options the defaults hold.
    unsafe {
        let status =
            (ort::api().RunWithBinding)(session.ptr_mut(), std::ptr::null(), binding.ptr());
        ort::Error::result_from_status(status)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated by `new` with this layout, and freed nowhere else.
        unsafe { dealloc(self.whole.as_ptr(), self.layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_costs_nothing_before_it_is_written_to() {
        let resident = || {
            let text = std::fs::read_to_string("/proc/self/statm").unwrap();
            let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
            pages * 4096
        };
        let before = resident();
        let mut memory = Memory::new(2 << 30).unwrap();
        memory.write((2 << 30) - 3, &[1, 2, 3]);
        // Other tests run beside this one.
        assert!(resident() < before + (1 << 30));
        assert_eq!(memory.start.as_ptr().align_offset(ALIGNMENT), 0);
        let mut end = [0; 4];
        memory.read((2 << 30) - 4, &mut end);
        assert_eq!(end, [0, 1, 2, 3]);
        assert!(Memory::new(usize::MAX).is_none());
    }
}
