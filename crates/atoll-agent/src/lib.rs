//! atoll-agent
