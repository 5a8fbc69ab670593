CREATE TABLE `agents` (
	`id` text PRIMARY KEY NOT NULL,
	`project_id` text NOT NULL,
	`name` text NOT NULL,
	`model` text,
	`state` text NOT NULL,
	`waiting_for` text,
	`session_id` text,
	`parent_id` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`wake_at` integer,
	`revision` integer NOT NULL,
	`document` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `agents_by_project` ON `agents` (`project_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `agents_by_age` ON `agents` (`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `agents_by_wake` ON `agents` (`wake_at`) WHERE wake_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `agents_by_session` ON `agents` (`session_id`,`created_at`,`id`) WHERE session_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX `agents_by_parent` ON `agents` (`parent_id`,`created_at`,`id`) WHERE parent_id IS NOT NULL;