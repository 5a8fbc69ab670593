DROP INDEX `outbox_undelivered`;--> statement-breakpoint
CREATE INDEX `outbox_undelivered` ON `outbox` (`created_at`) WHERE delivered_at IS NULL;--> statement-breakpoint
DROP INDEX `tasks_by_pipeline`;--> statement-breakpoint
CREATE INDEX `tasks_by_pipeline` ON `tasks` (`pipeline_id`,`created_at`,`id`) WHERE pipeline_id IS NOT NULL;