"""The database of a Training Agent's callers: by its Postgres URL, or by the URL and the key of a Supabase project.

What a way needs is imported only where it is chosen.
"""

from eyebright.ports.callers import CallersDatabase
from eyebright.settings import TrainingAgentSettings


def callers_database_at(settings: TrainingAgentSettings) -> CallersDatabase | None:
    """Nothing is connected yet. None where the settings name no database; the Postgres URL goes before Supabase's."""
    patience = (settings.connect_seconds, settings.answer_seconds)
    if settings.database_url:
        from eyebright.stores.projects.sql import SqlCallers

        return SqlCallers(settings.database_url, *patience)
    if settings.supabase_url and settings.supabase_key:
        from eyebright.stores.projects.supabase import SupabaseCallers

        return SupabaseCallers(settings.supabase_url, settings.supabase_key, *patience)
    return None
