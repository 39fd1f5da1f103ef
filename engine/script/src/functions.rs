//! The functions that a script may call, and the words that it may not use.

use rhai::{
    Engine, EvalAltResult, ImmutableString, LexError, Position, Token,
    packages::{
        ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage,
        BasicStringPackage, BitFieldPackage, LogicPackage, MoreStringPackage, Package,
    },
};

use crate::budget::{MAX_LITERAL_BYTES, MAX_STRING_BYTES};

/// Rhai's own functions but those of two packages. Its core has `sleep`, which holds up whoever evaluates, and panics for some
/// numbers; switching off the word would not do, as `Fn("sl" + "eep")` calls it by a text. Blobs appear out of nothing at any
/// size, so that nobody counts them, and no policy needs bytes.
pub(crate) fn with_pure_functions() -> Engine {
    let mut engine = Engine::new_raw();
    ArithmeticPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    BasicMathPackage::new().register_into_engine(&mut engine);
    BitFieldPackage::new().register_into_engine(&mut engine);
    BasicStringPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    BasicFnPackage::new().register_into_engine(&mut engine);
    replace_within_bounds(&mut engine);
    refuse_words(&mut engine);
    engine
}

/// `replace` of Rhai looks at the length of the text when it is there: 4 KiB of 4 KiB each are 16 MiB by then.
fn replace_within_bounds(engine: &mut Engine) {
    engine.register_fn("replace", |text: &mut ImmutableString, from: &str, to: &str| replace(text, from, to));
    engine.register_fn("replace", |text: &mut ImmutableString, from: char, to: &str| {
        replace(text, from.encode_utf8(&mut [0; 4]), to)
    });
    engine.register_fn("replace", |text: &mut ImmutableString, from: &str, to: char| {
        replace(text, from, to.encode_utf8(&mut [0; 4]))
    });
}

fn replace(text: &mut ImmutableString, from: &str, to: &str) -> Result<(), Box<EvalAltResult>> {
    let longer = text.matches(from).count().saturating_mul(to.len());
    if text.len().saturating_add(longer) > MAX_STRING_BYTES.saturating_mul(2) {
        return Err(Box::new(EvalAltResult::ErrorDataTooLarge("Length of string".into(), Position::NONE)));
    }
    *text = text.replace(from, to).into();
    Ok(())
}

/// Words that are refused wherever they stand in a source, and texts that are too long to be written out.
fn refuse_words(engine: &mut Engine) {
    engine.disable_symbol("eval");
    // What ends a script must end all of it.
    engine.disable_symbol("try");
    #[expect(deprecated, reason = "it is not, Rhai only says that it may change; the tests tell when it does")]
    engine.on_parse_token(|token, _, _| match token {
        // It is read without being a variable, so that the meter does not see it.
        Token::Reserved(word) if *word == "this" => {
            refused("`this` cannot be used here: give the function a parameter")
        }
        Token::StringConstant(text) if text.len() > MAX_LITERAL_BYTES => too_long(),
        Token::InterpolatedString(text) if text.len() > MAX_LITERAL_BYTES => too_long(),
        other => other,
    });
}

fn too_long() -> Token {
    Token::LexError(Box::new(LexError::StringTooLong(MAX_LITERAL_BYTES)))
}

fn refused(why: &str) -> Token {
    Token::LexError(Box::new(LexError::ImproperSymbol(String::new(), why.into())))
}
