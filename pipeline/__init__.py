"""What a job does, as plain functions: plan, render, develop.

Activities call these for Temporal, and the API calls them itself when the engine is away.
"""
