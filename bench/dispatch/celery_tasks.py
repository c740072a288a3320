"""A task that does nothing, for the worker processes of Celery."""
import os

from celery import Celery

redis = "redis+socket://" + os.environ["REDIS_SOCKET"]
app = Celery("celery_tasks", broker=redis, backend=redis)
app.conf.update(worker_prefetch_multiplier=64, task_acks_late=True, task_ignore_result=False)


@app.task
def nothing(i):
    return i
