import pytest
from tests.api.routes.test_jobs import TestApprove as T
@pytest.mark.parametrize("n", range(12))
async def test_loop(n, api, new_worker):
    await T().test_it_takes_effect_once_a_worker_comes(api, new_worker)
