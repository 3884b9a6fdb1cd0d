//! What a devcontainer.json says to this agent.
