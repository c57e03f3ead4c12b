//! seccomp programs: from a verdict for each system call to classic BPF, and into the kernel.
//!
//! Installing a filter is a good part of what a sandbox costs: the kernel translates the program, and
//! runs it once for every system call that exists to find those that it need not be asked about again.
//! So the calls are put into ranges of the same verdict and found by binary search: some eight
//! comparisons instead of one after the other, in one program instead of one for each kind of verdict.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::io;

use libc::sock_filter;

use crate::Error;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is made.
    Allow,
    /// It fails with this number and is not made.
    Errno(i32),
    /// The process ends with SIGSYS, all its threads with it.
    Kill,
}

impl Verdict {
    fn value(self) -> u32 {
        match self {
            Self::Allow => libc::SECCOMP_RET_ALLOW,
            Self::Errno(number) => libc::SECCOMP_RET_ERRNO | (number as u32 & 0xffff),
            Self::Kill => libc::SECCOMP_RET_KILL_PROCESS,
        }
    }
}

/// What decides about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Its number alone.
    Always(Verdict),
    /// The lower 32 bits of arguments, counted from 0, which is all that the kernel looks at in those
    /// that are asked about here: whether all the tests hold.
    If {
        tests: Vec<(u8, Test)>,
        then: Verdict,
        otherwise: Verdict,
    },
}

/// What is asked of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Test {
    /// Is it one of these?
    OneOf(Vec<u32>),
    /// Has it any of these bits?
    AnyBit(u32),
}

/// The rules of the calls that have one, and the verdict for all others.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub(crate) rules: BTreeMap<i64, Rule>,
    pub(crate) otherwise: Verdict,
}

/// x86-64 calls have numbers below this; above, the kernel would take them for x32 calls.
const X32_BIT: u32 = 0x4000_0000;

// Instructions, see Linux' Documentation/networking/filter.rst.
const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const JUMP_IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const JUMP_IF_BITS: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

// Fields of `struct seccomp_data`, in bytes.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// `AUDIT_ARCH_X86_64`.
const X86_64: u32 = 0xc000_003e;

impl Filter {
    /// The program. Calls of another architecture, and x32 calls, are killed whatever the rules say.
    pub(crate) fn compile(&self) -> Result<Vec<sock_filter>, Error> {
        let always = |verdict| Rule::Always(verdict);
        let mut ranges: Vec<(u32, Rule)> = vec![(0, always(self.otherwise))];
        let mut next = 0;
        for (number, rule) in &self.rules {
            let number = u32::try_from(*number)
                .ok()
                .filter(|number| *number < X32_BIT)
                .ok_or_else(|| impossible(format!("{number} is no system call")))?;
            if number > next {
                extend(&mut ranges, next, always(self.otherwise));
            }
            extend(&mut ranges, number, rule.clone());
            next = number + 1;
        }
        extend(&mut ranges, next, always(self.otherwise));
        extend(&mut ranges, X32_BIT, always(Verdict::Kill));

        let mut program = vec![
            instruction(LOAD, 0, 0, ARCHITECTURE),
            instruction(JUMP_IF_EQUAL, 1, 0, X86_64),
            instruction(RETURN, 0, 0, Verdict::Kill.value()),
            instruction(LOAD, 0, 0, NUMBER),
        ];
        program.extend(search(&ranges)?);
        Ok(program)
    }

    /// Puts the filter on this process, for good. Needs no_new_privs.
    pub(crate) fn install(&self) -> Result<(), Error> {
        let mut program = self.compile()?;
        let length = u16::try_from(program.len())
            .map_err(|_| impossible("the program is too long".to_owned()))?;
        let description = libc::sock_fprog {
            len: length,
            filter: program.as_mut_ptr(),
        };
        // SAFETY: the description names `length` instructions that live until the call returns; the
        // kernel copies and checks them.
        let result = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                0,
                &raw const description,
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(Error::step(
                "installing the system call filter",
                io::Error::last_os_error(),
            ))
        }
    }
}

/// Begins a range, unless it goes on as the one before.
fn extend(ranges: &mut Vec<(u32, Rule)>, from: u32, rule: Rule) {
    match ranges.last_mut() {
        Some((_, last)) if *last == rule => {}
        Some((start, last)) if *start == from => *last = rule,
        _ => ranges.push((from, rule)),
    }
}

/// Finds the range that holds the number, which is loaded.
fn search(ranges: &[(u32, Rule)]) -> Result<Vec<sock_filter>, Error> {
    match ranges {
        [] => Err(impossible("there is no range".to_owned())),
        [(_, rule)] => decide(rule),
        _ => {
            let (lower, upper) = ranges.split_at(ranges.len() / 2);
            let (from, _) = upper[0];
            let (lower, upper) = (search(lower)?, search(upper)?);
            // A conditional jump goes no further than 255 instructions.
            let mut program = match u8::try_from(lower.len()) {
                Ok(over) => vec![instruction(JUMP_IF_AT_LEAST, over, 0, from)],
                Err(_) => {
                    let over = u32::try_from(lower.len())
                        .map_err(|_| impossible("the program is too long".to_owned()))?;
                    vec![
                        instruction(JUMP_IF_AT_LEAST, 0, 1, from),
                        instruction(JUMP, 0, 0, over),
                    ]
                }
            };
            program.extend(lower);
            program.extend(upper);
            Ok(program)
        }
    }
}

/// Ends with a verdict.
fn decide(rule: &Rule) -> Result<Vec<sock_filter>, Error> {
    let end = |verdict: Verdict| instruction(RETURN, 0, 0, verdict.value());
    let (tests, then, otherwise) = match rule {
        Rule::Always(verdict) => return Ok(vec![end(*verdict)]),
        Rule::If {
            tests,
            then,
            otherwise,
        } => (tests, *then, *otherwise),
    };
    // From the end: a test that holds goes on to what stands behind it, any other to the last verdict.
    let mut program = vec![end(then), end(otherwise)];
    for (argument, test) in tests.iter().rev() {
        let fails = program.len() - 1;
        // Little-endian: the lower half comes first.
        let load = instruction(LOAD, 0, 0, ARGUMENTS + 8 * u32::from(*argument));
        let mut block = vec![load];
        match test {
            Test::AnyBit(bits) => block.push(instruction(JUMP_IF_BITS, 0, near(fails)?, *bits)),
            Test::OneOf(values) => {
                for (value, left) in values.iter().zip((0..values.len()).rev()) {
                    let next = if left == 0 { near(fails)? } else { 0 };
                    block.push(instruction(JUMP_IF_EQUAL, near(left)?, next, *value));
                }
            }
        }
        block.append(&mut program);
        program = block;
    }
    Ok(program)
}

/// A conditional jump goes no further than 255 instructions.
fn near(over: usize) -> Result<u8, Error> {
    u8::try_from(over).map_err(|_| impossible("an argument has too many values".to_owned()))
}

fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

fn impossible(what: String) -> Error {
    Error::step("compiling the system call filter", io::Error::other(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel does with a program, for the instructions that are used here. The second
    /// value counts those that ran.
    fn interpret(
        program: &[sock_filter],
        architecture: u32,
        number: u32,
        arguments: [u64; 6],
    ) -> (u32, usize) {
        let (mut at, mut loaded, mut count) = (0, 0_u32, 0);
        loop {
            let step = program[at];
            at += 1;
            count += 1;
            let jump = |yes: bool| usize::from(if yes { step.jt } else { step.jf });
            match step.code {
                LOAD => {
                    loaded = match step.k {
                        NUMBER => number,
                        ARCHITECTURE => architecture,
                        offset => {
                            let offset = offset - ARGUMENTS;
                            assert_eq!(offset % 8, 0, "only lower halves are looked at");
                            arguments[offset as usize / 8] as u32
                        }
                    }
                }
                JUMP => at += step.k as usize,
                JUMP_IF_EQUAL => at += jump(loaded == step.k),
                JUMP_IF_AT_LEAST => at += jump(loaded >= step.k),
                JUMP_IF_BITS => at += jump(loaded & step.k != 0),
                RETURN => return (step.k, count),
                code => panic!("instruction {code:#x}"),
            }
        }
    }

    fn filter() -> Filter {
        let mut rules = BTreeMap::new();
        // Ranges long enough that jumps need more than 255 instructions, and short ones between.
        for number in (0..1200).step_by(3) {
            rules.insert(number, Rule::Always(Verdict::Allow));
        }
        for number in 600..620 {
            rules.insert(number, Rule::Always(Verdict::Kill));
        }
        rules.insert(
            16,
            Rule::If {
                tests: vec![(1, Test::OneOf(vec![5, 7, 9]))],
                then: Verdict::Allow,
                otherwise: Verdict::Errno(libc::EPERM),
            },
        );
        rules.insert(
            56,
            Rule::If {
                tests: vec![(0, Test::AnyBit(0x1010))],
                then: Verdict::Errno(libc::EPERM),
                otherwise: Verdict::Allow,
            },
        );
        rules.insert(
            257,
            Rule::If {
                tests: vec![
                    (2, Test::AnyBit(0o100)),
                    (3, Test::OneOf(vec![1, 2])),
                    (3, Test::AnyBit(2)),
                ],
                then: Verdict::Kill,
                otherwise: Verdict::Allow,
            },
        );
        Filter {
            rules,
            otherwise: Verdict::Errno(libc::ENOSYS),
        }
    }

    #[test]
    fn each_number_gets_its_own_verdict() {
        let filter = filter();
        let program = filter.compile().unwrap();
        for number in (0..2000).chain([X32_BIT - 1]) {
            let expected = match filter.rules.get(&i64::from(number)) {
                Some(Rule::Always(verdict)) => *verdict,
                Some(Rule::If { .. }) => continue,
                None => filter.otherwise,
            };
            let (value, steps) = interpret(&program, X86_64, number, [0; 6]);
            assert_eq!(value, expected.value(), "{number}");
            assert!(steps < 30, "{number} takes {steps} instructions");
        }
    }

    #[test]
    fn arguments_are_compared_in_32_bits() {
        let program = filter().compile().unwrap();
        let verdict = |number, arguments| interpret(&program, X86_64, number, arguments).0;
        let (allow, refuse) = (Verdict::Allow.value(), Verdict::Errno(libc::EPERM).value());
        for (value, expected) in [
            (5, allow),
            (7, allow),
            (9, allow),
            (6, refuse),
            (0, refuse),
            (0xdead_0000_0007, allow),
            (0xdead_0000_0008, refuse),
        ] {
            assert_eq!(verdict(16, [0, value, 0, 0, 0, 0]), expected, "{value:#x}");
        }
        for (value, expected) in [
            (0, allow),
            (0x0f0f, allow),
            (0x1000, refuse),
            (0x0010, refuse),
            (0x10_0000_0000, allow),
        ] {
            assert_eq!(verdict(56, [value, 0, 0, 0, 0, 0]), expected, "{value:#x}");
        }
        let kill = Verdict::Kill.value();
        for (flags, mode, expected) in [
            (0o100, 2, kill),
            (0o101, 2, kill),
            (0o001, 2, allow),
            (0o100, 1, allow),
            (0o100, 3, allow),
            (0, 0, allow),
        ] {
            assert_eq!(
                verdict(257, [0, 0, flags, mode, 0, 0]),
                expected,
                "{flags:o} {mode}"
            );
        }
    }

    #[test]
    fn other_architectures_are_killed() {
        let program = filter().compile().unwrap();
        let kill = Verdict::Kill.value();
        for (architecture, number) in [
            (0x4000_0003, 3), // i386
            (0xc000_00b7, 3), // aarch64
            (X86_64, X32_BIT),
            (X86_64, X32_BIT + 3),
            (X86_64, u32::MAX),
        ] {
            assert_eq!(interpret(&program, architecture, number, [0; 6]).0, kill);
        }
    }

    #[test]
    fn what_is_no_call_is_refused() {
        for number in [-1, i64::from(X32_BIT)] {
            let filter = Filter {
                rules: [(number, Rule::Always(Verdict::Allow))].into(),
                otherwise: Verdict::Kill,
            };
            assert!(filter.compile().is_err(), "{number}");
        }
    }
}
