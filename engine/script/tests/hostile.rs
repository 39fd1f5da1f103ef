//! Scripts that try to get out of their budget, each in its own way. One binary, one test: the peak of memory is the process's.

use homeostat_model::Value;
use homeostat_script::{
    Budget::{Depth, Memory, Operations},
    ErrorKind::{self, Budget, Failed, Refused},
    Sandbox,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// What a script may hold at its peak: twice the bytes that it may read, as a copy of them may be on its way.
const MAX_PEAK_BYTES: usize = 4 << 20;

/// What a sandbox may keep after an evaluation: Rhai remembers texts and the functions it has resolved, up to a bound.
const MAX_KEPT_BYTES: usize = 64 << 10;

const HOSTILE: &[(&str, ErrorKind)] = &[
    // It does not end.
    ("loop { }", Budget(Operations)),
    ("while true { let x = 1; }", Budget(Operations)),
    ("do { } while true", Budget(Operations)),
    ("do { } until false", Budget(Operations)),
    ("for i in 0..1000000000 { }", Budget(Operations)),
    ("for i in 0..9223372036854775807 { for j in 0..i { } }", Budget(Operations)),
    ("loop { switch in0 { 0..1000000000 => 1, _ => 2 } }", Budget(Operations)),
    ("loop { print(\"x\"); debug(\"y\"); }", Budget(Operations)),
    // It calls itself.
    ("fn f(n) { f(n + 1) } f(0)", Budget(Depth)),
    ("fn f(n) { g(n) } fn g(n) { f(n) } f(0)", Budget(Depth)),
    ("fn f(n) { Fn(\"f\").call(n) } f(0)", Budget(Depth)),
    ("let f = |f| f.call(f); f.call(f)", Budget(Depth)),
    ("fn f(x) { [1].map(|y| f(y)) } f(0)", Budget(Depth)),
    // What a list calls counts as well. 256 times 256 times 256 are 16 million.
    (
        "fn l() { let l = []; l.pad(256, 0); l } l().map(|a| l().map(|b| l().map(|c| 1).len).len).len",
        Budget(Operations),
    ),
    ("let l = [1, 2, 3, 4]; loop { l.filter(|x| { for i in 0..100 { } true }); }", Budget(Operations)),
    ("let l = []; l.pad(200, 1); l.sort(|a, b| { for i in 0..1000 { } -1 }); 1", Budget(Operations)),
    ("let l = []; l.pad(200, 1); l.reduce(|sum, x| { for i in 0..1000 { } 1 }, 0)", Budget(Operations)),
    ("let l = [2, 1]; l.sort(|a, b| l.len); 1", Budget(Operations)),
    ("let l = [2, 1]; l.map(|x| { l.push(x); x }); type_of(l)", Budget(Operations)),
    // It grows.
    ("let x = \"a\"; loop { x += x; }", Budget(Memory)),
    ("let x = \"a\"; loop { x = `${x}${x}`; }", Budget(Memory)),
    ("let x = \"\"; x.pad(1000000000, \"ab\"); x", Budget(Memory)),
    ("let x = \"\"; x.pad(4096, \"a\"); let y = x; x.replace(\"a\", y); x", Budget(Memory)),
    ("let x = \"\"; x.pad(4096, \"a\"); let y = x; x.replace('a', y); x", Budget(Memory)),
    ("let x = \"\"; x.pad(4096, \"a\"); x.split(\"\").len", Budget(Memory)),
    ("let x = []; loop { x.push(1); }", Budget(Memory)),
    ("let x = [1]; loop { x += x; }", Budget(Memory)),
    ("let x = [1]; loop { x = [x, x]; }", Budget(Memory)),
    ("let x = []; loop { x = [x]; }", Budget(Depth)),
    ("let x = #{}; loop { x = #{a: x}; }", Budget(Depth)),
    ("let x = []; x.pad(1000000000, 0.5); 1", Budget(Memory)),
    ("let m = #{}; let n = 0; loop { m[`k${n}`] = n; n += 1; }", Budget(Memory)),
    // The keys of a map are no part of what Rhai counts.
    (
        "let k = \"\"; k.pad(4000, \"k\"); let m = #{}; for n in 0..250 { m[k + n] = n; } let a = m; let b = m; let c = m; a",
        Budget(Memory),
    ),
    // Neither is what a function holds.
    ("let f = |x| x; loop { f = f.curry(f); }", Budget(Memory)),
    ("let f = Fn(\"f\"); loop { f = f.curry(f).curry(f); }", Budget(Memory)),
    ("let f = 1; for n in 0..1000 { let g = f; f = || [g, g]; } f", Budget(Depth)),
    ("let all = []; loop { let s = \"\"; s.pad(4096, \"x\"); all.push(|| s); }", Budget(Memory)),
    // It goes through much at a time.
    ("let l = []; l.pad(256, 0.5); loop { l.to_string(); }", Budget(Operations)),
    ("let l = []; l.pad(256, 0.5); loop { l == l; }", Budget(Operations)),
    (
        "let s = \"\"; s.pad(4096, \"a\"); let p = s + \"\"; p.pop(); p += \"b\"; loop { s.index_of(p); }",
        Budget(Memory),
    ),
    ("let m = #{}; for n in 0..200 { m[n.to_string()] = n; } loop { m.to_json(); }", Budget(Memory)),
    // It reaches for what is not there.
    ("eval(\"40 + 2\")", Refused),
    ("Fn(\"ev\" + \"al\").call(\"40 + 2\")", Failed),
    ("import \"os\" as os; 1", Refused),
    ("sleep(1); 1", Failed),
    ("Fn(\"sl\" + \"eep\").call(1e300); 1", Failed),
    ("timestamp()", Failed),
    ("blob(1000000000, 0)", Failed),
    ("parse_json(\"[1]\")", Failed),
    ("try { loop { } } catch { } 1", Refused),
    ("fn f() { this } 1", Refused),
    ("let this = 1; this", Refused),
    // It takes the names of others.
    ("fn print(x) { print(x) } print(1)", Refused),
    ("fn to_string(x) { loop { } } to_string(1)", Budget(Operations)),
    ("let in0 = []; loop { in0.push(in0); }", Budget(Memory)),
    // It goes wrong where only the interpreter can.
    ("let x = 1; let f = || x; let l = [1, 2].map(|y| x); l.len(); l[2]", Failed),
    ("1 << 70 >> -1; 1 % 0", Failed),
    ("-9223372036854775808 / -1", Failed),
    ("let m = #{}; m.nothing", Failed),
    ("throw #{a: [1]}", Failed),
    ("let c = 'a'; c.to_int(); [1, 2][9223372036854775807]", Failed),
];

/// Scripts too long to be written out here.
fn generated() -> Vec<(String, ErrorKind)> {
    let nested = |open: &str, close: &str, times: usize| format!("{}1{}", open.repeat(times), close.repeat(times));
    vec![
        (nested("(", ")", 1000), Budget(Depth)),
        (nested("[", "]", 1000), Budget(Depth)),
        (nested("!", "", 1000), Budget(Depth)),
        (nested("#{a:", "}", 1000), Budget(Depth)),
        (nested("{", "}", 1000), Budget(Depth)),
        (nested("if true {", "}", 1000), Budget(Depth)),
        (nested("|x| ", "", 1000), Budget(Depth)),
        (nested("`${", "}`", 1000), Budget(Depth)),
        (format!("1{}", " + 1".repeat(3000)), Budget(Depth)),
        (format!("in0{}", ".abs()".repeat(2000)), Budget(Depth)),
        (format!("{}{{ 1 }}", "if in0 == 1 { 1 } else ".repeat(700)), Budget(Depth)),
        (nested("!", "", 16_000), Budget(Depth)),
        (nested("(", "", 16_000), Budget(Depth)),
        (format!("in0{}", "?[0]".repeat(4000)), Budget(Depth)),
        (format!("in0{}", " ?? in0".repeat(2000)), Budget(Depth)),
        (format!("fn f(x) {{ {} }} f(1)", nested("|x| ", "", 1000)), Budget(Depth)),
        (format!("\"{}\"", "a".repeat(5000)), Budget(Memory)),
        (format!("`{}`", "a".repeat(5000)), Budget(Memory)),
        (format!("[{}]", "1,".repeat(1000)), Budget(Memory)),
        (" ".repeat(17_000), Budget(Memory)),
        ((0..200).map(|n| format!("let x{n} = 1;")).collect(), Budget(Memory)),
        ((0..100).map(|n| format!("fn f{n}() {{ 1 }}")).collect(), Refused),
        (format!("0x{}", "f".repeat(400)), Refused),
        (format!("loop {{ \"{}\".to_upper(); }}", "é".repeat(128)), Budget(Operations)),
        (format!("loop {{ [{}].to_string(); }}", "0.5,".repeat(250)), Budget(Operations)),
    ]
}

#[test]
fn every_hostile_script_ends_within_its_budget_and_leaves_nothing_behind() {
    let sandbox = Sandbox::default();
    let good = sandbox.compile("in0 > 5.0 && [1, 2].map(|x| x * 2).len() == 2", 1).unwrap();
    let given = HOSTILE.iter().map(|(source, kind)| ((*source).to_owned(), *kind));
    let mut wrong = Vec::new();
    for (source, expected) in given.chain(generated()) {
        let shown: String = source.chars().take(100).collect();
        let before = ALLOCATED.current_usage();
        ALLOCATED.reset_peak_usage();
        let ended = sandbox.compile(&source, 1).and_then(|script| sandbox.evaluate_data(&script, &[2.0.into()]));
        let peak = ALLOCATED.peak_usage().saturating_sub(before);
        match ended {
            Err(error) if error.kind == expected && !error.message.is_empty() => {}
            other => wrong.push(format!("{shown}\n    gave {other:?}")),
        }
        if peak > MAX_PEAK_BYTES {
            wrong.push(format!("{shown}\n    took {peak} bytes"));
        }
        assert_eq!(sandbox.evaluate(&good, &[6.0.into()]), Ok(Value::Bool(true)), "after {shown}");
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    nothing_is_left_behind(&sandbox);
}

/// Closures that hold themselves are never freed by counting references.
fn nothing_is_left_behind(sandbox: &Sandbox) {
    for source in [
        "let s = \"\"; s.pad(4000, \"x\"); let f = 1; f = || [s, f]; 1",
        "fn g() { let s = \"\"; s.pad(4000, \"x\"); let f = 1; f = || [s, f]; 1 } g()",
        "let s = \"\"; s.pad(4000, \"x\"); let l = []; let f = || l; l = [f, s]; 1",
        "let l = [1, 2]; l.map(|x| { let s = \"\"; s.pad(4000, \"x\"); let f = x; f = || [s, f]; 1 }).len",
    ] {
        let script = sandbox.compile(source, 0);
        let evaluate = || script.clone().and_then(|script| sandbox.evaluate(&script, &[]));
        assert!(evaluate().is_ok(), "{source} gave {:?}", evaluate());
        let before = ALLOCATED.current_usage();
        (0..100).for_each(|_| drop(evaluate()));
        let kept = ALLOCATED.current_usage().saturating_sub(before);
        assert!(kept < MAX_KEPT_BYTES, "{source} keeps {kept} bytes of 100 evaluations");
    }
}
