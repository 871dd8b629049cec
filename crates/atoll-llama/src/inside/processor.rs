//! Whether this processor has what the engine was compiled for.

use crate::child::Failed;
use crate::wire::Code;

/// Instructions that some processors lack: their name, whether the engine was compiled to use them, whether they
/// are here.
#[cfg(target_arch = "x86_64")]
fn instructions() -> [(&'static str, bool, bool); 9] {
    use llama_cpp_sys_2 as sys;
    macro_rules! row {
        ($name:literal, $compiled:ident, $here:tt) => {
            // SAFETY: it takes nothing and gives a constant.
            (
                $name,
                unsafe { sys::$compiled() } != 0,
                std::is_x86_feature_detected!($here),
            )
        };
    }
    [
        row!("AVX", ggml_cpu_has_avx, "avx"),
        row!("AVX2", ggml_cpu_has_avx2, "avx2"),
        row!("FMA", ggml_cpu_has_fma, "fma"),
        row!("F16C", ggml_cpu_has_f16c, "f16c"),
        row!("BMI2", ggml_cpu_has_bmi2, "bmi2"),
        row!("AVX-VNNI", ggml_cpu_has_avx_vnni, "avxvnni"),
        row!("AVX-512", ggml_cpu_has_avx512, "avx512f"),
        row!("AVX-512 VNNI", ggml_cpu_has_avx512_vnni, "avx512vnni"),
        row!("AVX-512 BF16", ggml_cpu_has_avx512_bf16, "avx512bf16"),
    ]
}

/// On other processors it is compiled for what all of them have.
#[cfg(not(target_arch = "x86_64"))]
fn instructions() -> [(&'static str, bool, bool); 0] {
    []
}

/// An instruction that isn't here would end the engine without a word.
pub(crate) fn can_compute() -> Result<(), Failed> {
    let lacks = |(name, compiled, here): (_, bool, bool)| (compiled && !here).then_some(name);
    let lacking: Vec<&str> = instructions().into_iter().filter_map(lacks).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let words = format!(
        "this processor lacks {}, which the engine was compiled for; other providers work: `atoll model list`",
        lacking.join(", ")
    );
    Err((Code::Unable, words))
}

#[cfg(test)]
mod tests {
    /// A binary that is shipped must run on other machines than the one that it was built on.
    #[cfg(all(target_arch = "x86_64", not(target_feature = "avx2")))]
    #[test]
    fn it_is_compiled_for_what_processors_have_had_since_2013() {
        let compiled: Vec<&str> = super::instructions()
            .into_iter()
            .filter_map(|(name, compiled, _)| compiled.then_some(name))
            .collect();
        assert_eq!(compiled, ["AVX", "AVX2", "FMA", "F16C", "BMI2"]);
    }
}
