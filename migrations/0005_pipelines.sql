CREATE TABLE `pipeline_counts` (
	`project_id` text NOT NULL,
	`state` text NOT NULL,
	`total` integer NOT NULL,
	PRIMARY KEY(`project_id`, `state`)
);
--> statement-breakpoint
CREATE TABLE `pipelines` (
	`id` text PRIMARY KEY NOT NULL,
	`project_id` text NOT NULL,
	`name` text NOT NULL,
	`pipeline_type` text NOT NULL,
	`state` text NOT NULL,
	`triggered_by` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`revision` integer NOT NULL,
	`document` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `pipelines_by_project` ON `pipelines` (`project_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `pipelines_by_state` ON `pipelines` (`project_id`,`state`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `pipelines_by_age` ON `pipelines` (`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `pipelines_live` ON `pipelines` (`updated_at`) WHERE state IN ('queued', 'running', 'paused');