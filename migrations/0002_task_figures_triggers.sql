-- Keeps `task_counts` and `task_durations` exact, whatever statement changes `tasks`.
CREATE TRIGGER task_counts_insert AFTER INSERT ON tasks
BEGIN
  INSERT INTO task_counts (project_id, task_type, state, total)
  VALUES (new.project_id, new.task_type, new.state, 1)
  ON CONFLICT (project_id, task_type, state) DO UPDATE SET total = total + 1;
END;
--> statement-breakpoint
CREATE TRIGGER task_counts_update AFTER UPDATE OF project_id, task_type, state ON tasks
WHEN old.state <> new.state OR old.task_type <> new.task_type OR old.project_id <> new.project_id
BEGIN
  UPDATE task_counts SET total = total - 1
  WHERE project_id = old.project_id AND task_type = old.task_type AND state = old.state;
  INSERT INTO task_counts (project_id, task_type, state, total)
  VALUES (new.project_id, new.task_type, new.state, 1)
  ON CONFLICT (project_id, task_type, state) DO UPDATE SET total = total + 1;
END;
--> statement-breakpoint
CREATE TRIGGER task_counts_delete AFTER DELETE ON tasks
BEGIN
  UPDATE task_counts SET total = total - 1
  WHERE project_id = old.project_id AND task_type = old.task_type AND state = old.state;
END;
--> statement-breakpoint
CREATE TRIGGER task_durations_insert AFTER INSERT ON tasks
WHEN new.duration_ms IS NOT NULL AND new.state IN ('completed', 'failed', 'cancelled')
BEGIN
  INSERT INTO task_durations (project_id, task_type, state, le_ms, total, sum_ms)
  VALUES (
    new.project_id, new.task_type, new.state,
    coalesce(
      (SELECT min(column1) FROM (VALUES (10), (50), (100), (500), (1000), (5000), (10000), (30000), (60000), (300000), (900000), (3600000)) WHERE column1 >= new.duration_ms),
      -1
    ),
    1, new.duration_ms
  )
  ON CONFLICT (project_id, task_type, state, le_ms)
  DO UPDATE SET total = total + 1, sum_ms = sum_ms + excluded.sum_ms;
END;
--> statement-breakpoint
-- A later run of a task that ends in the same state is known by its other duration.
CREATE TRIGGER task_durations_update AFTER UPDATE OF state, duration_ms ON tasks
WHEN new.duration_ms IS NOT NULL AND new.state IN ('completed', 'failed', 'cancelled')
  AND (old.state <> new.state OR old.duration_ms IS NOT new.duration_ms)
BEGIN
  INSERT INTO task_durations (project_id, task_type, state, le_ms, total, sum_ms)
  VALUES (
    new.project_id, new.task_type, new.state,
    coalesce(
      (SELECT min(column1) FROM (VALUES (10), (50), (100), (500), (1000), (5000), (10000), (30000), (60000), (300000), (900000), (3600000)) WHERE column1 >= new.duration_ms),
      -1
    ),
    1, new.duration_ms
  )
  ON CONFLICT (project_id, task_type, state, le_ms)
  DO UPDATE SET total = total + 1, sum_ms = sum_ms + excluded.sum_ms;
END;
