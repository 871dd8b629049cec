//! atoll-api
