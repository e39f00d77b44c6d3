"""Processes that answer messages: started, asked within a time limit, and ended without a trace."""
