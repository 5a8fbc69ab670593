-- Keeps `skill_figures` exact, whatever statement changes `skill_invocations`. There is a row as long
-- as there is the skill, so that what is told of a deleted one leaves nothing behind.
CREATE TRIGGER skill_figures_insert AFTER INSERT ON skill_invocations
BEGIN
  UPDATE skill_figures SET
    invocation_count = invocation_count + 1,
    success_count = success_count + (new.state = 'completed'),
    failure_count = failure_count + (new.state = 'failed'),
    cancelled_count = cancelled_count + (new.state = 'cancelled'),
    duration_count = duration_count
      + (new.state IN ('completed', 'failed') AND new.duration_ms IS NOT NULL),
    sum_duration_ms = sum_duration_ms
      + iif(new.state IN ('completed', 'failed'), coalesce(new.duration_ms, 0), 0)
  WHERE skill_id = new.skill_id;
END;
--> statement-breakpoint
-- An invocation counts as what its newest run came to. Deleting one changes nothing: it was made.
CREATE TRIGGER skill_figures_update AFTER UPDATE OF state, duration_ms ON skill_invocations
WHEN old.state <> new.state OR old.duration_ms IS NOT new.duration_ms
BEGIN
  UPDATE skill_figures SET
    success_count = success_count + (new.state = 'completed') - (old.state = 'completed'),
    failure_count = failure_count + (new.state = 'failed') - (old.state = 'failed'),
    cancelled_count = cancelled_count + (new.state = 'cancelled') - (old.state = 'cancelled'),
    duration_count = duration_count
      + (new.state IN ('completed', 'failed') AND new.duration_ms IS NOT NULL)
      - (old.state IN ('completed', 'failed') AND old.duration_ms IS NOT NULL),
    sum_duration_ms = sum_duration_ms
      + iif(new.state IN ('completed', 'failed'), coalesce(new.duration_ms, 0), 0)
      - iif(old.state IN ('completed', 'failed'), coalesce(old.duration_ms, 0), 0)
  WHERE skill_id = new.skill_id;
END;
