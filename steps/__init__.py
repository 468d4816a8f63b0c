"""Thin step definitions by noun: parse, call one thing, hand a value on or raise."""
