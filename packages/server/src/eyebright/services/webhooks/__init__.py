"""Outgoing webhooks: who is told (`endpoints`), in which words (`dialects`), of what (`telling`), and how often (`deliverer`)."""
