DROP INDEX `pipelines_live`;--> statement-breakpoint
ALTER TABLE `pipelines` ADD `wake_at` integer;--> statement-breakpoint
CREATE INDEX `pipelines_by_wake` ON `pipelines` (`wake_at`) WHERE wake_at IS NOT NULL;--> statement-breakpoint
DROP INDEX `tasks_live`;--> statement-breakpoint
ALTER TABLE `tasks` ADD `wake_at` integer;--> statement-breakpoint
CREATE INDEX `tasks_by_wake` ON `tasks` (`wake_at`) WHERE wake_at IS NOT NULL;--> statement-breakpoint
-- What is live is called on as before until its object projects it again.
UPDATE `pipelines` SET `wake_at` = `updated_at` WHERE `state` IN ('queued', 'running', 'paused');--> statement-breakpoint
UPDATE `tasks` SET `wake_at` = `updated_at` WHERE `state` IN ('queued', 'running', 'paused');
