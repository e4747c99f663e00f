"""The verbs of the product: what every door, loop and command calls. Async; no web framework, no SQL, no processes."""

from dataclasses import dataclass

from eyebright.services.access import Access
from eyebright.services.audit import Audit
from eyebright.services.charts import Charts
from eyebright.services.collection import Collection
from eyebright.services.compaction import Compaction
from eyebright.services.datasets import Datasets
from eyebright.services.dispatch import Dispatch
from eyebright.services.exports import Exports
from eyebright.services.grants import Grants
from eyebright.services.history import History
from eyebright.services.ingest import Ingest
from eyebright.services.intake import Intake
from eyebright.services.jobs import Jobs
from eyebright.services.kept_uploads import KeptUploads
from eyebright.services.logins import Logins
from eyebright.services.models import Models
from eyebright.services.pictures import Pictures
from eyebright.services.platform_jobs import PlatformJobs
from eyebright.services.preflights import Preflights
from eyebright.services.project_tree import ProjectTree
from eyebright.services.projects import Projects
from eyebright.services.publishing import Publishing
from eyebright.services.quotas import Quotas
from eyebright.services.recipes import Recipes
from eyebright.services.relay import Relay
from eyebright.services.releases import Releases
from eyebright.services.storage import Storage
from eyebright.services.sweep import Sweep
from eyebright.services.teams import Teams
from eyebright.services.training_agent import TrainingAgent
from eyebright.services.uploads import Uploads
from eyebright.services.watch import Watch
from eyebright.services.webhooks.deliverer import Deliverer
from eyebright.services.webhooks.deliveries import Deliveries
from eyebright.services.webhooks.endpoints import Endpoints
from eyebright.services.webhooks.telling import Telling


@dataclass(frozen=True, slots=True)
class Services:
    """All verbs, as `app` composed them."""

    access: Access
    logins: Logins
    teams: Teams
    audit: Audit
    projects: Projects
    quotas: Quotas
    jobs: Jobs
    preflights: Preflights
    history: History
    charts: Charts
    ingest: Ingest
    grants: Grants
    watch: Watch
    datasets: Datasets
    uploads: Uploads
    kept_uploads: KeptUploads
    pictures: Pictures
    models: Models
    collection: Collection
    storage: Storage
    compaction: Compaction
    exports: Exports
    recipes: Recipes
    releases: Releases
    project_tree: ProjectTree
    platform_jobs: PlatformJobs
    publishing: Publishing
    intake: Intake
    dispatch: Dispatch
    sweep: Sweep
    relay: Relay
    webhooks: Endpoints
    deliveries: Deliveries
    deliverer: Deliverer
    telling: Telling
    training_agent: TrainingAgent | None = None  # none where no database of projects is known
