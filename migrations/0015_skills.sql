CREATE TABLE `skill_aliases` (
	`skill_id` text NOT NULL,
	`alias` text NOT NULL,
	`number` integer NOT NULL,
	PRIMARY KEY(`skill_id`, `alias`)
);
--> statement-breakpoint
CREATE TABLE `skill_figures` (
	`skill_id` text PRIMARY KEY NOT NULL,
	`invocation_count` integer NOT NULL,
	`success_count` integer NOT NULL,
	`failure_count` integer NOT NULL,
	`cancelled_count` integer NOT NULL,
	`duration_count` integer NOT NULL,
	`sum_duration_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `skill_invocations` (
	`id` text PRIMARY KEY NOT NULL,
	`project_id` text NOT NULL,
	`skill_id` text NOT NULL,
	`slug` text NOT NULL,
	`number` integer NOT NULL,
	`version` text NOT NULL,
	`state` text NOT NULL,
	`implementation_type` text NOT NULL,
	`invoked_by` text NOT NULL,
	`parent_id` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`wake_at` integer,
	`duration_ms` integer,
	`revision` integer NOT NULL,
	`document` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `skill_invocations_by_skill` ON `skill_invocations` (`skill_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `skill_invocations_by_project` ON `skill_invocations` (`project_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `skill_invocations_by_age` ON `skill_invocations` (`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `skill_invocations_by_wake` ON `skill_invocations` (`wake_at`) WHERE wake_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `skill_invocations_by_parent` ON `skill_invocations` (`parent_id`,`created_at`,`id`) WHERE parent_id IS NOT NULL;--> statement-breakpoint
CREATE TABLE `skill_versions` (
	`skill_id` text NOT NULL,
	`number` integer NOT NULL,
	`version` text NOT NULL,
	`digest` text NOT NULL,
	`description` text,
	`implementation_type` text,
	`content` text NOT NULL,
	`files` text NOT NULL,
	`files_digest` text NOT NULL,
	`note` text,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`skill_id`, `number`)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `skill_versions_by_version` ON `skill_versions` (`skill_id`,`version`);--> statement-breakpoint
CREATE TABLE `skills` (
	`id` text PRIMARY KEY NOT NULL,
	`project_id` text NOT NULL,
	`slug` text NOT NULL,
	`name` text NOT NULL,
	`category` text NOT NULL,
	`tags` text NOT NULL,
	`enabled` integer NOT NULL,
	`cost_estimate` real NOT NULL,
	`extra_data` text NOT NULL,
	`latest` integer NOT NULL,
	`default_number` integer,
	`search` text NOT NULL,
	`revision` integer NOT NULL,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`deleted_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `skills_by_slug` ON `skills` (`slug`,`project_id`);--> statement-breakpoint
CREATE UNIQUE INDEX `skills_by_name` ON `skills` (`project_id`,`name`);--> statement-breakpoint
CREATE INDEX `skills_by_project` ON `skills` (`project_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `skills_by_age` ON `skills` (`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `skills_deleted` ON `skills` (`deleted_at`) WHERE deleted_at IS NOT NULL;