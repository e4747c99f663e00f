from samples import NOW_MS

from eyebright.core.kept_upload import KeptUpload

UPLOAD = KeptUpload(
    id="upl_1", user_id="tést", dataset_name="../my dataset", size_bytes=2**40 + 1, created_at_ms=NOW_MS
)


async def test_an_upload_is_found_by_its_id_and_by_nothing_else(database):
    await database.kept_uploads.add(UPLOAD)
    assert await database.kept_uploads.find("upl_1") == UPLOAD
    assert await database.kept_uploads.find("upl_") is None
    assert await database.kept_uploads.ids() == {"upl_1"}
