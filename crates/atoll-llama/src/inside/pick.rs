//! Choosing the next token, within a grammar or without.

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;

use crate::wire::Sampling;

/// Chooses the tokens of one reply.
pub(super) struct Pick {
    chain: LlamaSampler,
    grammar: Option<LlamaSampler>,
}

impl Pick {
    pub(super) fn new(
        model: &LlamaModel,
        sampling: Sampling,
        grammar: Option<&str>,
    ) -> Result<Pick, String> {
        let chain = if sampling.temperature > 0.0 {
            LlamaSampler::chain_simple([
                LlamaSampler::top_k(i32::try_from(sampling.top_k).unwrap_or(i32::MAX)),
                LlamaSampler::top_p(sampling.top_p.clamp(0.0, 1.0), 1),
                LlamaSampler::temp(sampling.temperature),
                LlamaSampler::dist(sampling.seed),
            ])
        } else {
            LlamaSampler::chain_simple([LlamaSampler::greedy()])
        };
        let grammar = grammar
            .map(|text| LlamaSampler::grammar(model, text, "root").map_err(|err| err.to_string()))
            .transpose()?;
        Ok(Pick { chain, grammar })
    }

    /// The next token, by the scores at `at` of what was computed last. `None`: the grammar leaves none.
    pub(super) fn next(
        &mut self,
        model: &LlamaModel,
        context: &LlamaContext<'_>,
        at: i32,
    ) -> Option<LlamaToken> {
        let Some(grammar) = &mut self.grammar else {
            return Some(self.chain.sample(context, at));
        };
        // Most tokens fit the grammar anyway: asking it for one is far cheaper than for all.
        let mut array = context.token_data_array_ith(at);
        array.apply_sampler(&mut self.chain);
        let likely = array.selected_token()?;
        let mut one = LlamaTokenDataArray::new(vec![LlamaTokenData::new(likely, 1.0, 0.0)], false);
        one.apply_sampler(grammar);
        let fits = |array: &LlamaTokenDataArray, token: LlamaToken| {
            let found = array.data.iter().find(|d| d.id() == token);
            found.is_some_and(|d| d.logit() > f32::NEG_INFINITY)
        };
        let token = if fits(&one, likely) {
            likely
        } else {
            let mut array = context.token_data_array_ith(at);
            array.apply_sampler(grammar);
            if array.data.iter().all(|d| d.logit() == f32::NEG_INFINITY) {
                return None;
            }
            array.apply_sampler(&mut self.chain);
            let token = array.selected_token()?;
            if !fits(&array, token) {
                return None;
            }
            token
        };
        self.chain.accept(token);
        if !model.vocab().is_eog(token) {
            grammar.accept(token);
        }
        Some(token)
    }
}
